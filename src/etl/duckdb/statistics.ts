/**
 * Column statistics, the same bits on every run: sums of floating-point numbers are made per row group of a Parquet
 * file, where one thread reads in order, and combined in file order (statistics.ts); everything else is exact anyway.
 * What is not a Parquet file with projections and filters is written to one first, in a total order.
 *
 * Of a table of several files, counts, sums, ranges, histograms and short lists of values are made file by file and merged; those of
 * files that were there before come from the memo. Quantiles, and distinct values of columns that have many, take all rows.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Memo } from '../../core/memo.js'
import { countPass, describe } from '../counts.js'
import type { ColumnStatistics, StatisticsRequest } from '../engine.js'
import { col, type Named } from '../expr.js'
import { type Parts, partsOf } from '../parts.js'
import { project, scan, type Relation } from '../relation.js'
import { compile } from '../sql/compile.js'
import { duckdb } from '../sql/duckdb.js'
import { numberOf, presentValue, type Wanted } from '../statistics.js'
import { partialsOf } from './counts.js'
import { valuePass } from './frequencies.js'
import { histogramPass } from './histograms.js'
import { quantiles } from './quantiles.js'
import { plainScan } from './row-groups.js'
import type { Session } from './session.js'
import { writeFiles } from './write.js'

let temporary = 0

/** See `Engine.statistics`. */
export async function statistics(
  session: Session,
  relation: Relation,
  requests: readonly StatisticsRequest[],
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
  if (plainScan(relation) !== undefined)
    return session.use((connection) => passes(connection, values, wanted, session.memo), signal)
  const folder = join(session.tempFolder, `statistics-${temporary++}`)
  try {
    const written = await writeFiles(session, values, { folder, format: 'parquet' }, undefined, signal)
    const paths = written.files.map(({ path }) => join(folder, path))
    const stored = scan({ format: 'parquet', paths }, values.schema)
    return await session.use((connection) => passes(connection, stored, wanted, undefined), signal)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function passes(
  connection: DuckDBConnection,
  values: Relation,
  wanted: readonly Wanted[],
  memo: Memo | undefined,
): Promise<ReadonlyMap<string, ColumnStatistics>> {
  const found = partsOf(values)
  const parts: Parts = found ?? { names: [''], only: () => values, likeness: values }
  const known = found === undefined ? undefined : memo
  const { counted, partRows, made } = await countPass(
    parts,
    wanted,
    known,
    compile(parts.likeness, duckdb),
    (relation) => partialsOf(connection, relation, wanted),
  )
  const ordered = await quantiles(
    connection,
    values,
    wanted.map(({ request, column, type }, i) => ({
      expr: numberOf(column, type),
      count: counted[i]?.moments.count ?? 0,
      fractions: request.quantiles ?? [],
    })),
  )
  const drawn = await histogramPass(connection, parts, wanted, counted, made, known)
  const frequent = await valuePass(
    connection,
    values,
    found === undefined ? undefined : { ...parts, rows: partRows },
    wanted,
    known,
  )
  noteReads(known, parts.names.length, made, ordered.filter((list) => list.length > 0).length, frequent.whole)
  return describe(wanted, counted, ordered, frequent.found, drawn)
}

/** For the log, where files were there before: how many were read, and what took all rows nevertheless. */
function noteReads(memo: Memo | undefined, files: number, made: number, quantiles: number, values: number): void {
  if (made === files || files === 1) return
  const columns = (count: number): string => `${count} column${count === 1 ? '' : 's'}`
  memo?.note(`statistics: ${made} of ${files} files read, ${files - made} taken from earlier runs`)
  if (quantiles > 0)
    memo?.note(`medians and quantiles of ${columns(quantiles)} do not merge: all rows were read again (a mean merges)`)
  if (values > 0) memo?.note(`values of ${columns(values)} are too many to merge: all rows were counted again`)
}
