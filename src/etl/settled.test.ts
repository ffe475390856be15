/** What is fitted is the same number where a table is cut into other row groups. */
import { expect, it } from 'vitest'
import { settled } from './statistics.js'

it.each([
  [1234.567890123456, 3.25],
  [-0.0000123456789, 12.5],
  [1.58e15, 4.5e12],
  [7.1, 7.1],
])('%d with a deviation of %d is kept to its digits, whatever its last bits', (value, size) => {
  const kept = settled(value, size)
  for (const off of [1e-12, -1e-12, 3e-13]) expect(settled(value + off * size, size)).toBe(kept)
  expect(Math.abs(kept - value)).toBeLessThanOrEqual(1e-9 * size)
})

it('leaves what has no digits', () => {
  expect([settled(0, 1), settled(5, 0), settled(Infinity, 1), settled(3, Infinity)]).toEqual([0, 5, Infinity, 3])
  expect(settled(1e-30, 1)).toBe(0)
  expect(settled(NaN, 1)).toBeNaN()
})
