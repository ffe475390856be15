/**
 * Column statistics: what is counted and summed comes file by file (sums.ts), and from the memo for files seen before;
 * quantiles, values and histograms take all rows. What is not a Parquet file with projections and filters is written to
 * one first, in a total order.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Counted, countPass, describe, type Partial } from '../counts.js'
import { plainScan } from '../duckdb/row-groups.js'
import type { ColumnStatistics, StatisticsRequest } from '../engine.js'
import { col, type Named } from '../expr.js'
import { type Parts, partsOf } from '../parts.js'
import { project, scan, type Relation } from '../relation.js'
import { compile } from '../sql/compile.js'
import { spark } from '../sql/spark-scan.js'
import { NO_MOMENTS, numberOf, presentValue, type Wanted } from '../statistics.js'
import type { Cluster } from './cluster.js'
import { histogramPass } from './histograms.js'
import { quantiles } from './quantiles.js'
import { partialsOf } from './sums.js'
import { distinctPass, listPass } from './values.js'
import { writeTable } from './write.js'

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

/** A range, a mean or a deviation, or nothing but how many are missing: what no other pass tells of a column by the way. */
const isSummed = ({ request: { mean, stddev, range, values, quantiles } }: Wanted): boolean =>
  [mean, stddev, range].includes(true) || (values === undefined && quantiles === undefined)

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
  const counted: Counted[] = []
  const count = (index: number, rows: number, present: number): void => {
    counted[index] ??= { rows, moments: { ...NO_MOMENTS, count: present }, min: undefined, max: undefined }
  }
  const summed = [...wanted.entries()].filter(([, want]) => isSummed(want))
  if (summed.length > 0) {
    const parts: Parts = found ?? { names: [''], only: () => values, likeness: values }
    const memo = found === undefined ? undefined : cluster.memo
    const asked = summed.map(([, want]) => want)
    const read = async (relation: Relation): Promise<readonly (readonly Partial[])[]> =>
      partialsOf(cluster, found === undefined ? given : relation, await prepare(relation), asked, signal)
    const sums = await countPass(parts, asked, memo, compile(parts.likeness, spark), read)
    for (const [k, [i]] of summed.entries()) counted[i] = sums.counted[k] ?? NOTHING
  }
  const ordered: (readonly number[])[] = []
  const shared = [...wanted.entries()].flatMap(([index, { request, column, type }]) =>
    request.quantiles === undefined ? [] : [{ index, expr: numberOf(column, type), fractions: request.quantiles }],
  )
  for (const [k, { rows, count: present, values: at }] of (
    await quantiles(cluster, values, shared, signal)
  ).entries()) {
    const { index = 0 } = shared[k] ?? {}
    ordered[index] = at
    count(index, rows, present)
  }
  const listed = await listPass(cluster, values, wanted, signal)
  for (const [index, { rows, count: present }] of listed) count(index, rows, present)
  const distinct = await distinctPass(cluster, given, values, wanted, signal)
  const drawn = await histogramPass(cluster, values, wanted, counted, signal)
  return describe(wanted, counted, ordered, new Map([...listed, ...distinct]), drawn)
}

const NOTHING: Counted = { rows: 0, moments: NO_MOMENTS, min: undefined, max: undefined }
