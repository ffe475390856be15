/**
 * Column statistics, the same bits on every run: sums of floating-point numbers are made per row group of a Parquet
 * file, which one task reads in order, and combined in file order (../counts.ts); everything else is exact anyway. What
 * is not a Parquet file with projections and filters is written to one first, in a total order.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import { parallel } from '../../core/parallel.js'
import { countPass, describe, figuresOf, type Partial, readPartials } from '../counts.js'
import { groupOf, plainScan, positionName, rowGroups, withPosition } from '../duckdb/row-groups.js'
import type { ColumnStatistics, StatisticsRequest } from '../engine.js'
import { aggregate, col, type Named } from '../expr.js'
import { type Parts, partsOf } from '../parts.js'
import { aggregated, project, scan, type Relation } from '../relation.js'
import { compile } from '../sql/compile.js'
import { spark } from '../sql/spark-scan.js'
import { numberOf, presentValue, type Wanted } from '../statistics.js'
import type { Cluster } from './cluster.js'
import { histogramPass } from './histograms.js'
import { quantiles } from './quantiles.js'
import { rowsOf } from './query.js'
import { valuePass } from './values.js'
import { writeTable } from './write.js'

/**
 * Figures of one query: Spark makes one method of them that adds up partial results, and Java compiles none of more than
 * 8,000 bytes; of 85 figures it has 6,500.
 */
const FIGURES = 85
/** Queries at a time. */
const AT_ONCE = 3

/** See `Engine.statistics`. */
export async function statistics(
  cluster: Cluster,
  relation: Relation,
  requests: readonly StatisticsRequest[],
  prepare: (relation: Relation) => Promise<Relation>,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, ColumnStatistics>> {
  if (requests.length === 0) return new Map()
  const present = requests.map((request) => presentValue(request, relation))
  const wanted = requests.map((request, i): Wanted => ({
    request: request.histogram === true ? { ...request, range: true } : request,
    column: `x${i}`,
    type: present[i]?.type ?? 'number',
  }))
  const columns = wanted.map(({ column }, i): Named => ({ name: column, expr: present[i]?.expr ?? col(column) }))
  const values = project(relation, columns)
  const parts = partsOf(values)
  const ready = await prepare(values)
  if (plainScan(ready) !== undefined) return passes(cluster, values, ready, parts, wanted, prepare, signal)
  const folder = join(cluster.folder, `statistics-${cluster.next()}`)
  try {
    const { files } = await writeTable(cluster, values, prepare, { folder, format: 'parquet' }, undefined, signal)
    const paths = files.map(({ path }) => join(folder, path))
    const stored = scan({ format: 'parquet', paths, plain: true }, values.schema)
    return await passes(cluster, stored, stored, undefined, wanted, prepare, signal)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** @param given `values` before it was made ready for Spark, as the engine in this process reads it */
async function passes(
  cluster: Cluster,
  given: Relation,
  values: Relation,
  found: Parts | undefined,
  wanted: readonly Wanted[],
  prepare: (relation: Relation) => Promise<Relation>,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, ColumnStatistics>> {
  const parts: Parts = found ?? { names: [''], only: () => values, likeness: values }
  const memo = found === undefined ? undefined : cluster.memo
  const read = async (relation: Relation): Promise<readonly (readonly Partial[])[]> =>
    partialsOf(cluster, await prepare(relation), wanted, signal)
  const { counted } = await countPass(parts, wanted, memo, compile(parts.likeness, spark), read)
  const ordered = await quantiles(
    cluster,
    values,
    wanted.map(({ request, column, type }, i) => ({
      expr: numberOf(column, type),
      count: counted[i]?.moments.count ?? 0,
      fractions: request.quantiles ?? [],
    })),
    signal,
  )
  const frequent = await valuePass(cluster, given, values, wanted, signal)
  return describe(wanted, counted, ordered, frequent, await histogramPass(cluster, values, wanted, counted, signal))
}

/** For each file of the relation the partials of its row groups, in order; those without rows are left out. */
async function partialsOf(
  cluster: Cluster,
  relation: Relation,
  wanted: readonly Wanted[],
  signal?: AbortSignal,
): Promise<readonly (readonly Partial[])[]> {
  const plain = plainScan(relation)
  if (plain === undefined) throw new MillraceError('MR_INTERNAL_BUG', `partials of a ${relation.kind} are in no order`)
  const groups = await cluster.embedded.use(
    (connection) => rowGroups(connection, plain.source, plain.rowsBefore),
    signal,
  )
  const position = positionName(relation)
  const placed = withPosition(relation, position, groups.rowsBefore)
  const group = { name: 'group', expr: groupOf(col(position), groups.ends) }
  return readPartials(wanted, async (isSure) => {
    const found = plain.source.paths.map((): Partial[] => [])
    const figures = wanted.map((want) => figuresOf(want, isSure))
    const sets = setsOf(figures)
    const made: (readonly (readonly unknown[])[])[] = []
    await parallel([...sets.entries()], AT_ONCE, async ([s, { start, end }]) => {
      const columns = figures
        .slice(start, end)
        .flatMap((exprs, i) => exprs.map((expr, j): Named => ({ name: `${i}.${j}`, expr })))
      const partials = aggregated(placed, [group], [{ name: 'rows', expr: aggregate('count', []) }, ...columns])
      const rows: (readonly unknown[])[] = []
      for await (const row of rowsOf(cluster, partials, signal)) rows.push(row)
      made[s] = rows.sort((a, b) => Number(a[0]) - Number(b[0]))
    })
    for (const [r, [index, count]] of (made[0] ?? []).entries()) {
      const left = made.flatMap((rows) => (rows[r] ?? []).slice(2)).map(numberOrNull)
      const partial: Partial = [Number(count), ...figures.map((exprs) => left.splice(0, exprs.length))]
      found[groups.files[Number(index)] ?? 0]?.push(partial)
    }
    return found
  })
}

const numberOrNull = (value: unknown): number | null => (value === null || value === undefined ? null : Number(value))

/** Columns whose figures are made in one query: at least one set, if only an empty one. */
function setsOf(figures: readonly (readonly unknown[])[]): readonly { readonly start: number; readonly end: number }[] {
  const sets = [{ start: 0, end: 0 }]
  let held = 0
  for (const [i, { length }] of figures.entries()) {
    held += length
    if (held > FIGURES && i > 0) {
      sets.push({ start: i, end: i })
      held = length
    }
    const last = sets.at(-1)
    if (last !== undefined) last.end = i + 1
  }
  return sets
}
