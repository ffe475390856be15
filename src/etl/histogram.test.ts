/** Grids of histograms: few bins, exact edges, and the same whatever the parts are. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addBins, gridOf } from './histogram.js'

const width = ({ unit, power }: { unit: number; power: number }): number => unit * 2 ** power

describe('the grid of a range', () => {
  it.each([
    [0, 1, 'integer', 1, 0, 2],
    [1, 6, 'integer', 1, 1, 6],
    [0, 31, 'integer', 1, 0, 32],
    [0, 32, 'integer', 2, 0, 17],
    [0, 1, 'number', 1 / 16, 0, 17],
    [0.1, 0.1, 'number', 1, 0, 1],
    [-3, 3, 'number', 0.25, -12, 25],
    [0, 40 * 86_400_000_000, 'date', 2 * 86_400_000_000, 0, 21],
  ] as const)('%d to %d of type %s', (min, max, type, wide, first, bins) => {
    const grid = gridOf(min, max, type)
    expect(grid).toMatchObject({ first, bins })
    expect(grid && width(grid)).toBe(wide)
  })

  it.each([
    [undefined, 1],
    [1, Infinity],
    [-Infinity, 1],
    [-1.7e308, 1.7e308],
  ])('%d to %d: none', (min, max) => expect(gridOf(min, max, 'number')).toBeUndefined())

  it('holds the range in few bins, of any two doubles', () => {
    const value = fc.double({ noNaN: true, noDefaultInfinity: true, min: -8e307, max: 8e307 })
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [min, max] = a < b ? [a, b] : [b, a]
        const grid = gridOf(min, max, 'number')
        if (grid === undefined) throw new Error('no grid')
        const { first, bins } = grid
        expect(bins).toBeGreaterThanOrEqual(1)
        expect(bins).toBeLessThanOrEqual(32)
        expect(first * width(grid)).toBeLessThanOrEqual(min)
        expect((first + bins) * width(grid)).toBeGreaterThan(max)
      }),
    )
  })

  it('is no coarser for a part of the range', () => {
    const value = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e12, max: 1e12 })
    fc.assert(
      fc.property(fc.array(value, { minLength: 4, maxLength: 4 }), (values) => {
        const [a = 0, b = 0, c = 0, d = 0] = [...values].sort((x, y) => x - y)
        fc.pre(b < c)
        expect(gridOf(b, c, 'number')?.power).toBeLessThanOrEqual(gridOf(a, d, 'number')?.power ?? NaN)
      }),
    )
  })
})

it('adds what was counted finer, each value to the bin that it would have been counted in', () => {
  const value = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 })
  fc.assert(
    fc.property(fc.array(fc.array(value, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 4 }), (parts) => {
      const count = (values: readonly number[], all: readonly number[]) => {
        const grid = gridOf(Math.min(...all), Math.max(...all), 'number')
        if (grid === undefined) throw new Error('no grid')
        const edge = (bin: number): number => (grid.first + bin) * width(grid)
        const counts = Array.from(
          { length: grid.bins },
          (_, bin) => values.filter((x) => x >= edge(bin) && x < edge(bin + 1)).length,
        )
        return { grid, counts }
      }
      const all = parts.flat()
      const whole = count(all, all)
      const each = parts.map((values) => {
        const { grid, counts } = count(values, values)
        return { power: grid.power, first: grid.first, counts }
      })
      // a constant's grid is coarser than it need be: it says so, and is counted again (duckdb/histograms.ts)
      fc.pre(each.every(({ power }) => power <= whole.grid.power))
      expect(addBins(whole.grid, each)).toEqual({
        low: whole.grid.first * width(whole.grid),
        width: width(whole.grid),
        counts: whole.counts,
      })
    }),
  )
})
