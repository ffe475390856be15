/** Random123's known answers, and the distributions drawn from them. */
import { describe, expect, test } from 'vitest'
import { Philox, Rng } from './rng.js'

describe('Philox4x32-10', () => {
  // kat_vectors of Random123 1.14: counter, key, result.
  test.each([
    ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ])('counter %s key %s', (counter, key, expected) => {
    const words = (text: string) => text.split(' ').map((hex) => parseInt(hex, 16))
    const [k0 = 0, k1 = 0] = words(key)
    const [c0 = 0, c1 = 0, c2 = 0, c3 = 0] = words(counter)
    const philox = new Philox(k0, k1)
    expect([...philox.at(c0, c1, c2, c3)]).toEqual(words(expected))
    expect([...philox.at(BigInt(c0) + (1n << 40n), c1, c2, c3)]).toEqual(words(expected))
  })
})

describe('Rng', () => {
  test('is a pure function of seed and stream', () => {
    const draw = (rng: Rng) => Array.from({ length: 9 }, () => rng.uint32())
    expect(draw(new Rng(7, 1, 2))).toEqual(draw(new Rng(7, 1, 2)))
    const names = [[7], [8], [-7], [7 + 2 ** 32], [7, 0], [7, 1], [7, -1], [7, 0, 0], [7, 1, 0], [7, 0, 1], [0, 7]]
    const firsts = names.map(([seed = 0, ...stream]) => draw(new Rng(seed, ...stream)).join())
    expect(new Set(firsts).size).toBe(names.length)
    expect(draw(new Rng(0)).slice(0, 4)).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
  })

  test.each([NaN, 1.5, Infinity, 2 ** 53])('refuses %s as a seed and as a stream', (value) => {
    expect(() => new Rng(value)).toThrow(RangeError)
    expect(() => new Rng(1, value)).toThrow(RangeError)
  })

  test('uniform and normal have their moments', () => {
    const rng = new Rng(1)
    const n = 200_000
    let sum = 0
    let squares = 0
    for (let i = 0; i < n; i++) {
      const u = rng.uniform()
      expect(u >= 0 && u < 1).toBe(true)
      sum += u
    }
    expect(Math.abs(sum / n - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / n))
    sum = 0
    let beyond = 0
    for (let i = 0; i < n; i++) {
      const z = rng.normal()
      sum += z
      squares += z * z
      if (Math.abs(z) > 1.959963984540054) beyond++
    }
    expect(Math.abs(sum / n)).toBeLessThan(4 / Math.sqrt(n))
    expect(Math.abs(squares / n - 1)).toBeLessThan(4 * Math.sqrt(2 / n))
    expect(Math.abs(beyond / n - 0.05)).toBeLessThan(4 * Math.sqrt((0.05 * 0.95) / n))
  })

  test('below has no bias, for small and for awkward n', () => {
    const rng = new Rng(2)
    const counts = new Float64Array(7)
    for (let i = 0; i < 70_000; i++) counts[rng.below(7)]!++
    const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)
    expect(chiSquare).toBeLessThan(22.5) // 6 degrees of freedom, p = 0.001
    // 3 * 2^30: without rejection every third value would come twice as often.
    const n = 3 * 2 ** 30
    const thirds = new Float64Array(3)
    for (let i = 0; i < 30_000; i++) thirds[rng.below(n) % 3]!++
    expect(thirds.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(13.8)
    for (const large of [2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1, 2 ** 53]) {
      const value = rng.below(large)
      expect(Number.isInteger(value) && value >= 0 && value < large).toBe(true)
    }
    expect(rng.below(1)).toBe(0)
    for (const wrong of [0, -1, 1.5, NaN, 2 ** 53 + 2]) expect(() => rng.below(wrong)).toThrow(RangeError)
  })

  test('permutation holds each number once and reaches every order', () => {
    const rng = new Rng(3)
    expect([...rng.permutation(1000)].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    expect(rng.permutation(0).length).toBe(0)
    const orders = new Map<string, number>()
    for (let i = 0; i < 24_000; i++) {
      const order = rng.permutation(4).join()
      orders.set(order, (orders.get(order) ?? 0) + 1)
    }
    expect(orders.size).toBe(24)
    const chiSquare = [...orders.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
    expect(chiSquare).toBeLessThan(49.7) // 23 degrees of freedom, p = 0.001
  })
})
