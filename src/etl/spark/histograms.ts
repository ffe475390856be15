/**
 * Histograms over a range that is known already, all in one query: Spark's `histogram_numeric` of the numbers of bins
 * (../histogram.ts). While there are no more of them than it may keep, it puts only equal ones together, whose common place
 * is then off by a rounding; what it counts is exact.
 */
import type { Counted } from '../counts.js'
import { addBins, type Grid, gridOf, type Histogram } from '../histogram.js'
import type { Relation } from '../relation.js'
import { compile, expression } from '../sql/compile.js'
import { numberLiteral } from '../sql/duckdb.js'
import { spark } from '../sql/spark-scan.js'
import { numberOf, type Wanted } from '../statistics.js'
import type { Cluster } from './cluster.js'
import { rowsOfQuery } from './query.js'
import { queryOf } from './reads.js'

/** Columns of one query. */
const TOGETHER = 128

/** By index in `wanted`; none where no histogram is asked for, or there is no finite range. */
export async function histogramPass(
  cluster: Cluster,
  values: Relation,
  wanted: readonly Wanted[],
  counted: readonly Counted[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<number, Histogram>> {
  const drawn = [...wanted.entries()].flatMap(([index, want]) => {
    const { min, max } = counted[index] ?? {}
    const grid = want.request.histogram === true ? gridOf(min, max, want.type) : undefined
    return grid === undefined ? [] : [{ index, want, grid }]
  })
  const found = new Map<number, Histogram>()
  for (let start = 0; start < drawn.length; start += TOGETHER) {
    const some = drawn.slice(start, start + TOGETHER)
    const counts = some.map(({ want: { column, type }, grid }, i) => {
      const value = expression(numberOf(column, type), values, spark)
      return `histogram_numeric(${binOf(value, grid)}, ${Math.max(2, grid.bins)}) AS c${i}`
    })
    const query = queryOf(cluster, values, `SELECT ${counts.join(', ')} FROM (\n${compile(values, spark)}\n) AS q`)
    for await (const row of rowsOfQuery(cluster, query, signal))
      for (const [i, { index, grid }] of some.entries()) found.set(index, binned(grid, row[i]))
  }
  return found
}

/** SQL of a value's place in the grid: a quotient by a power of two is exact unless it is too small for a double. */
function binOf(value: string, { first, unit, power }: Grid): string {
  const bin = `floor(${value} / ${numberLiteral(unit * 2 ** power)})`
  const place = `CAST(${bin} - ${first}L AS DOUBLE)`
  return first < 0 ? `CASE WHEN ${bin} = 0 AND ${value} < 0 THEN ${numberLiteral(-1 - first)} ELSE ${place} END` : place
}

/** Equal places may come more than once: each task's list is put behind the others'. */
function binned(grid: Grid, list: unknown): Histogram {
  const counts = Array.from({ length: grid.bins }, () => 0)
  for (const { x, y } of (list ?? []) as Iterable<{ readonly x: number; readonly y: number }>)
    counts[Math.round(x)] = (counts[Math.round(x)] ?? 0) + Number(y)
  return addBins(grid, [{ power: grid.power, first: grid.first, counts }])
}
