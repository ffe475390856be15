/** Moments that follow from others, beside those computed from all values. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { filled } from './statistics.js'

function factsOf(values: readonly (number | null)[]) {
  const there = values.filter((value) => value !== null)
  const mean = there.reduce((sum, value) => sum + value, 0) / there.length
  const squares = there.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return {
    rows: values.length,
    missing: values.length - there.length,
    mean,
    stddev: there.length < 2 ? 0 : Math.sqrt(squares / (there.length - 1)),
    min: Math.min(...there),
    max: Math.max(...there),
  }
}

describe('statistics with missing values filled', () => {
  const value = fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }).map((whole) => whole / 997)
  it('are those of the filled values', () => {
    fc.assert(
      fc.property(fc.array(fc.option(value, { freq: 3 }), { minLength: 1 }), value, (values, fill) => {
        fc.pre(values.some((one) => one !== null))
        const direct = factsOf(values.map((one) => one ?? fill))
        const found = filled(factsOf(values), fill)
        expect(found).toMatchObject({ rows: direct.rows, missing: 0, min: direct.min, max: direct.max })
        const scale = Math.max(Math.abs(direct.min), Math.abs(direct.max))
        expect(Math.abs(found.mean - direct.mean)).toBeLessThanOrEqual(1e-12 * scale)
        expect(Math.abs(found.stddev - direct.stddev)).toBeLessThanOrEqual(1e-12 * scale)
      }),
    )
  })
  it('say that values were infinite, or too large to square', () => {
    const facts = { rows: 3, missing: 1, mean: Infinity, stddev: Infinity, min: 1, max: Infinity }
    expect(filled(facts, 0)).toMatchObject({ min: 0, max: Infinity })
    expect(Number.isFinite(filled(facts, 0).mean)).toBe(false)
    expect(filled({ ...facts, mean: 1e200, max: 1e200 }, 0).stddev).toBe(Infinity)
  })
})
