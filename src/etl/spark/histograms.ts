/**
 * Histograms over a range that is known already, all in one query: the bins (../histogram.ts) of a few columns are one
 * whole number, a row is counted once for each such number, and each column's counts are the sums over the others'.
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
/** Numbers that a few columns' bins may make together: their counts stay in a processor's cache. */
const MOST = 2048

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
    const groups = grouped(drawn.slice(start, start + TOGETHER))
    const counts = new Map(groups.flat().map(({ index, grid }) => [index, Array.from({ length: grid.bins }, () => 0)]))
    for await (const [key, count] of rowsOfQuery(cluster, queryOf(cluster, values, countsOf(values, groups)), signal)) {
      let left = Number(key) % MOST
      // the last column's bin is the last digit
      for (const { index, grid } of [...(groups[Math.floor(Number(key) / MOST)] ?? [])].reverse()) {
        const [bin, of] = [left % (grid.bins + 1), counts.get(index)]
        if (of !== undefined && bin < grid.bins) of[bin] = (of[bin] ?? 0) + Number(count)
        left = Math.floor(left / (grid.bins + 1))
      }
    }
    for (const { index, grid } of groups.flat()) {
      const { power, first } = grid
      found.set(index, addBins(grid, [{ power, first, counts: counts.get(index) ?? [] }]))
    }
  }
  return found
}

interface Drawn {
  readonly index: number
  readonly want: Wanted
  readonly grid: Grid
}

/** Columns whose bins are one number: of each all its bins, and one for what is missing. */
function grouped(drawn: readonly Drawn[]): readonly (readonly Drawn[])[] {
  const groups: Drawn[][] = []
  let size = MOST
  for (const one of drawn) {
    const bins = one.grid.bins + 1
    if (size * bins > MOST) {
      groups.push([])
      size = 1
    }
    groups.at(-1)?.push(one)
    size *= bins
  }
  return groups
}

function countsOf(values: Relation, groups: readonly (readonly Drawn[])[]): string {
  const keys = groups.map((group, g) => {
    const digits = group.map(({ want: { column, type }, grid }) => {
      const value = expression(numberOf(column, type), values, spark)
      return [`coalesce(${binOf(value, grid)}, ${grid.bins}L)`, grid.bins + 1] as const
    })
    const number = digits.reduce((sql, [digit, base]) => (sql === '' ? digit : `(${sql}) * ${base}L + ${digit}`), '')
    return `${g * MOST}L + ${number}`
  })
  return `SELECT k, count(*) AS n FROM (
  SELECT explode(array(${keys.join(', ')})) AS k FROM (\n${compile(values, spark)}\n) AS q
) AS e GROUP BY k`
}

/** SQL of a value's place in the grid: a quotient by a power of two is exact unless it is too small for a double. */
function binOf(value: string, { first, unit, power }: Grid): string {
  const bin = `floor(${value} / ${numberLiteral(unit * 2 ** power)})`
  const place = `${bin} - ${first}L`
  return first < 0 ? `CASE WHEN ${bin} = 0 AND ${value} < 0 THEN ${-1 - first}L ELSE ${place} END` : place
}
