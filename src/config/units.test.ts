import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatSize, parseRate, parseSize } from './units.js'

describe('sizes and rates', () => {
  it.each([
    ['64GB', 64e9],
    ['64GiB', 64 * 2 ** 30],
    ['1.5 KiB', 1536],
    ['512mb', 512e6],
    ['7B', 7],
    [' 2TB ', 2e12],
  ])('%s is %d bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes))

  it.each(['', '64', 'GB', '-1GB', '1e3GB', '1iB', '64G', '0GB', '9999999PB', '1,5GB', 'NaNGB', '１GB'])(
    'refuses the size %j with the rule',
    (text) => expect(() => parseSize(text)).toThrow(/must be a size such as 64GB/),
  )

  it.each([
    ['10Gbps', 10e9],
    ['100 Mbit/s', 100e6],
    ['1GBps', 8e9],
    ['9600bps', 9600],
  ])('%s is %d bits a second', (text, bits) => expect(parseRate(text)).toBe(bits))

  it.each(['10', '10GB', 'fast', '0Gbps', '10gBPS'])('refuses the rate %j', (text) =>
    expect(() => parseRate(text)).toThrow(expect.objectContaining({ code: 'MR_CONFIG_UNIT' })),
  )

  it('shows them for people', () => {
    expect(formatSize(64e9)).toBe('64 GB')
    expect(formatSize(999)).toBe('999 B')
    expect(formatSize(999_960)).toBe('1 MB')
  })

  it('reads what it shows, within the digit that it shows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e15 }), (bytes) => {
        expect(Math.abs(parseSize(formatSize(bytes)) / bytes - 1)).toBeLessThan(0.06)
      }),
    )
  })
})
