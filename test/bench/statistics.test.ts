/** Medians and the interval of a ratio: known values, pairing, and that the interval covers what it should. */
import { describe, expect, it } from 'vitest'
import { Rng } from '../../src/core/rng.js'
import { median, ratioInterval } from '../../bench/statistics.js'

describe('median', () => {
  it('is the middle of odd and even counts, whatever their order', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([7])).toBe(7)
    expect(median([])).toBeNaN()
  })
})

describe('ratioInterval', () => {
  it('has no width where each round has the same ratio, however unsteady the machine', () => {
    const ours = [1, 5, 2, 9, 3]
    const found = ratioInterval(
      ours,
      ours.map((value) => value * 2),
    )
    expect(found).toEqual({ ratio: 2, low: 2, high: 2, paired: true })
  })

  it('gives the same interval for the same samples', () => {
    expect(ratioInterval([1, 2, 4], [3, 5, 8])).toEqual(ratioInterval([1, 2, 4], [3, 5, 8]))
  })

  it('draws each side alone where they have not the same rounds', () => {
    const { ratio, low, high, paired } = ratioInterval([1, 1.1, 0.9], [2, 2.2, 1.8, 2.1, 1.9])
    expect({ ratio, paired }).toEqual({ ratio: 2, paired: false })
    expect(low).toBeGreaterThanOrEqual(1.8 / 1.1)
    expect(low).toBeLessThan(1.9)
    expect(high).toBeGreaterThan(2.1)
    expect(high).toBeLessThanOrEqual(2.2 / 0.9)
  })

  it('covers the true ratio about as often as it says', () => {
    const rng = new Rng(1)
    const trials = 50
    let covered = 0
    for (let trial = 0; trial < trials; trial++) {
      const sample = (centre: number) => Array.from({ length: 15 }, () => centre * Math.exp(0.2 * rng.normal()))
      const { low, high } = ratioInterval(sample(1), sample(3))
      if (low <= 3 && 3 <= high) covered++
    }
    expect(covered).toBeGreaterThanOrEqual(42)
  }, 60_000)

  it('refuses samples that no ratio can be made of', () => {
    expect(() => ratioInterval([], [1])).toThrow(RangeError)
    expect(() => ratioInterval([1, 0], [1, 2])).toThrow(/must be above 0/)
    expect(() => ratioInterval([1], [NaN])).toThrow(RangeError)
  })
})
