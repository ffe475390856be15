/** Histograms over a range that is known already: how many values lie below each edge, counted by comparing (../histogram.ts). */
import type { Counted } from '../counts.js'
import { aggregate, call, type Expr, num } from '../expr.js'
import { addBins, type Grid, gridOf, type Histogram } from '../histogram.js'
import { aggregated, type Relation } from '../relation.js'
import { numberOf, type Wanted } from '../statistics.js'
import type { Cluster } from './cluster.js'
import { rowsOf } from './query.js'

/** Columns counted in one query: 31 counts each, and Spark compiles a few hundred at most. */
const TOGETHER = 8

/** By index in `wanted`; none where no histogram is asked for, or there is no finite range. */
export async function histogramPass(
  cluster: Cluster,
  values: Relation,
  wanted: readonly Wanted[],
  counted: readonly Counted[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<number, Histogram>> {
  const drawn = [...wanted.entries()].flatMap(([index, want]) => {
    const { min, max, moments } = counted[index] ?? {}
    const grid = want.request.histogram === true ? gridOf(min, max, want.type) : undefined
    return grid === undefined ? [] : [{ index, want, grid, count: moments?.count ?? 0 }]
  })
  const found = new Map<number, Histogram>()
  for (let start = 0; start < drawn.length; start += TOGETHER) {
    const some = drawn.slice(start, start + TOGETHER)
    const below = some.flatMap(({ want, grid }, i) =>
      edges(grid).map((edge, bin) => ({ name: `${i}.${bin}`, expr: countBelow(want, edge) })),
    )
    // one bin at least is left to count where a column is constant
    const counts = [...below, { name: 'rows', expr: aggregate('count', []) }]
    for await (const row of rowsOf(cluster, aggregated(values, [], counts), signal)) {
      let at = 0
      for (const { index, grid, count } of some) {
        const upTo = [...edges(grid).map(() => Number(row[at++] ?? 0)), count]
        const bins = upTo.map((sum, bin) => sum - (upTo[bin - 1] ?? 0))
        found.set(index, addBins(grid, [{ power: grid.power, first: grid.first, counts: bins }]))
      }
    }
  }
  return found
}

/** Where all bins but the first begin. */
const edges = ({ first, bins, power, unit }: Grid): readonly number[] =>
  Array.from({ length: bins - 1 }, (_, i) => (first + 1 + i) * unit * 2 ** power)

const countBelow = ({ column, type }: Wanted, edge: number): Expr =>
  aggregate('count_if', [call('lt', numberOf(column, type), num(edge))])
