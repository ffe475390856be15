/** Answers compared while they stream, however they are cut. */
import { describe, expect, test } from 'vitest'
import { largestDifference, type PackedAnswers } from './scoring.js'

async function* cut(values: readonly number[], size: number, slack?: readonly number[]): AsyncGenerator<PackedAnswers> {
  for (let at = 0; at < values.length; at += size)
    yield {
      values: Float64Array.from(values.slice(at, at + size)),
      labels: new Int32Array(0),
      ...(slack === undefined ? {} : { slack: Float32Array.from(slack.slice(at, at + size)) }),
    }
}

const values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
const changed = values.map((value, i) => (i === 5 ? value + 0.25 : value))

describe('largestDifference', () => {
  test.each([
    [1, 3],
    [3, 2],
    [7, 7],
    [2, 100],
  ])('answers %i at a time against %i at a time', async (left, right) => {
    expect(await largestDifference(cut(values, left), cut(values, right), false)).toBe(0)
    expect(await largestDifference(cut(values, left), cut(changed, right), false)).toBeCloseTo(0.25, 12)
  })

  test('a difference within its slack is none', async () => {
    const slack = values.map((_, i) => (i === 5 ? 0.5 : 0))
    expect(await largestDifference(cut(values, 3), cut(changed, 2, slack), false)).toBe(0)
    expect(await largestDifference(cut(changed, 3), cut(values, 2, [0, 0, 0, 0, 0.5, 0, 0]), false)).toBeCloseTo(0.25)
  })

  test('relative where predictions are above 1', async () => {
    expect(await largestDifference(cut([200], 1), cut([202], 1), true)).toBeCloseTo(0.01, 12)
    expect(await largestDifference(cut([0.1], 1), cut([0.3], 1), true)).toBeCloseTo(0.2, 12)
  })

  test('what is no number differs without end, also where both are none', async () => {
    expect(await largestDifference(cut([1, NaN, 3], 2), cut([1, 2, 3], 1), false)).toBe(Infinity)
    expect(await largestDifference(cut([NaN], 1), cut([NaN], 1), false)).toBe(Infinity)
  })

  test('no rows differ by nothing; more rows on one side are a fault', async () => {
    expect(await largestDifference(cut([], 1), cut([], 1), false)).toBe(0)
    await expect(largestDifference(cut(values, 2), cut(values.slice(1), 3), false)).rejects.toThrow('more rows')
    await expect(largestDifference(cut(values.slice(1), 3), cut(values, 2), false)).rejects.toThrow('more rows')
  })
})
