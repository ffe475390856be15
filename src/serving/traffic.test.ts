/** Shares are read, kept, and independent of each other; keys are found in every shape of a request. */
import { describe, expect, it } from 'vitest'
import { draw, keyOf, parseShare, parseSplit } from './traffic.js'

describe('shares', () => {
  it.each([
    ['5%', 0.05],
    ['0.5%', 0.005],
    ['0.25', 0.25],
    ['100%', 1],
    ['0', 0],
    ['1', 1],
  ])('%s is %d', (text, share) => expect(parseShare(text, '--canary')).toBeCloseTo(share, 12))

  it.each(['', '5 %', '-1%', '101%', '5', '1e-3', 'half', '%', 'NaN'])('refuses %j', (text) => {
    expect(() => parseShare(text, '--canary')).toThrow(/--canary: .* is no share/)
  })

  it('reads what is split off', () => {
    const uri = 'models:/churn@challenger'
    expect(parseSplit(`${uri}=5%`, '--canary')).toEqual({ source: uri, share: 0.05 })
    expect(parseSplit(uri, '--shadow', 1)).toEqual({ source: uri, share: 1 })
    expect(parseSplit('run=3/model.onnx=0.1', '--shadow', 1)).toEqual({ source: 'run=3/model.onnx', share: 0.1 })
    expect(parseSplit('run=3/model.onnx', '--shadow', 1)).toEqual({ source: 'run=3/model.onnx', share: 1 })
    expect(() => parseSplit(uri, '--canary')).toThrow(/does not say a share/)
    expect(() => parseSplit(`${uri}=five`, '--shadow', 1)).toThrow(/does not say a share/)
  })
})

describe('draw', () => {
  const keys = Array.from({ length: 20_000 }, (_, i) => `3f2a-${i.toString(36)}`)

  it('is uniform: 20 equal parts hold 1,000 of 20,000 keys each (chi-square below its 99.99 % point)', () => {
    const counts = new Array<number>(20).fill(0)
    for (const key of keys) counts[Math.floor(draw(key, 'canary loan') * 20)]! += 1
    expect(counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(54)
  })

  it('draws independently for different salts', () => {
    const [a, b] = ['canary loan', 'shadow loan'].map((salt) => keys.map((key) => draw(key, salt) < 0.3)) as [
      boolean[],
      boolean[],
    ]
    const both = a.filter((hit, i) => hit && b[i]).length
    // 20,000 × 0.09 with a standard deviation of 40
    expect(Math.abs(both - 1800)).toBeLessThan(200)
  })

  it('is the same everywhere: a change here would move entities between versions', () => {
    expect(['', 'a', 'customer-7'].map((key) => Math.floor(draw(key, 'canary loan') * 1e6))).toMatchInlineSnapshot(`
      [
        486113,
        974667,
        188034,
      ]
    `)
  })
})

describe('keyOf', () => {
  it.each([
    ['records', [{ id: 'a' }, { id: 'b' }]],
    ['dataframe_records', { dataframe_records: [{ id: 'a' }] }],
    ['instances', { instances: [{ id: 'a' }] }],
    ['inputs, records', { inputs: [{ id: 'a' }] }],
    ['inputs, columns', { inputs: { id: ['a', 'b'] } }],
    ['inputs, columns of rows', { inputs: { id: [['a'], ['b']] } }],
    ['dataframe_split', { dataframe_split: { columns: ['x', 'id'], data: [[1, 'a']] } }],
    [
      'tensors',
      {
        inputs: [
          { name: 'x', data: [1] },
          { name: 'id', data: ['a'] },
        ],
      },
    ],
    ['tensors of rows', { inputs: [{ name: 'id', data: [['a']] }] }],
  ])('%s', (_, body) => expect(keyOf(body, 'id')).toBe('a'))

  it('takes numbers and true or false as text, and finds nothing where there is none', () => {
    expect(keyOf([{ id: 7 }], 'id')).toBe('7')
    expect(keyOf([{ id: false }], 'id')).toBe('false')
    for (const body of [
      [],
      [{}],
      [{ id: null }],
      [{ id: '' }],
      [{ id: {} }],
      null,
      'x',
      { inputs: 1 },
      { instances: {} },
    ])
      expect(keyOf(body, 'id')).toBeUndefined()
    expect(keyOf([{}], '__proto__')).toBeUndefined()
  })
})
