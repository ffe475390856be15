import { describe, expect, test } from 'vitest'
import { compact, linear, log } from './axis.js'

describe('scales', () => {
  test('ticks are round and inside a widened domain', () => {
    const y = linear([0.13, 0.87], [100, 0], { count: 5 })
    expect(y.domain).toEqual([0, 1])
    expect(y.ticks.map(y.label)).toEqual(['0.0', '0.2', '0.4', '0.6', '0.8', '1.0'])
    expect([y(0), y(1), y(0.5)]).toEqual([100, 0, 50])
  })

  test('without niceness the domain is the data', () => {
    const x = linear([1, 20], [0, 190], { nice: false, count: 5 })
    expect(x.domain).toEqual([1, 20])
    expect(x.ticks).toEqual([5, 10, 15, 20])
  })

  test.each([[[]], [[NaN]], [[5]], [[0]], [[-3, -3]], [[1e308, -1e308]], [[1e-300, 2e-300]], [[1e15, 1e15 + 1]]])(
    'a usable domain from %j',
    (values) => {
      const scale = linear(values, [0, 100])
      expect(scale.domain[1]).toBeGreaterThan(scale.domain[0])
      for (const tick of scale.ticks) expect(Number.isFinite(scale(tick))).toBe(true)
      expect(scale.ticks.length).toBeGreaterThan(0)
      expect(scale.ticks.length).toBeLessThan(52)
    },
  )

  test('log ticks are powers of ten, finer where there is room', () => {
    expect(log([0.003, 800], [0, 1]).ticks).toEqual([0.001, 0.1, 10, 1000])
    expect(log([2, 40], [0, 1]).ticks).toEqual([1, 2, 5, 10, 20, 50, 100])
    expect(log([], [0, 1]).domain).toEqual([1, 10])
  })

  test('short labels', () => {
    expect([0, 1200, 12_000, 3.4e6, 2e9, 1e-7, -15_000].map(compact)).toEqual([
      '0',
      '1,200',
      '12k',
      '3.4M',
      '2G',
      '1e-7',
      '−15k',
    ])
  })
})
