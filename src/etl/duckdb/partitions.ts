/** A table in folders `column=value`: one COPY a value, each in the relation's order. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import type { Progress, Target } from '../engine.js'
import { aggregate, call, cast, col, text, type Expr, type Named, type OrderKey } from '../expr.js'
import { folderName } from '../hive.js'
import { aggregated, filter, project, scan, sort, withColumns, type Relation } from '../relation.js'
import { freeName } from '../repeated.js'
import { compile, expression } from '../sql/compile.js'
import { duckdb, identifier, pathLiteral } from '../sql/duckdb.js'
import { copy, type File, writeOne } from './copy.js'
import type { Session } from './session.js'

/** From so many partitions on the rows are first sorted by them: a scan for each would read everything each time. */
const SORT_FROM = 8
/** One file each at least: beyond this a table is no table any more but a mistake. */
const MOST_PARTITIONS = 10_000

/** One COPY a value, so that each file keeps the relation's order; the values in their own order. */
export async function writePartitions(
  session: Session,
  relation: Relation,
  folder: string,
  target: Target,
  by: readonly string[],
  progress?: Progress,
  signal?: AbortSignal,
): Promise<readonly File[]> {
  const keys = by.map((name) => ({ name, expr: cast(col(name), 'text') }))
  const values = await session.use(async (connection) => {
    const reader = await connection.runAndReadAll(compile(partitionCounts(relation, keys), duckdb))
    return reader.getRows().map(partitionOf)
  }, signal)
  refuseValues(values, by, target.partitionValues)
  const between = `${folder}.between`
  try {
    const rowsOf =
      values.length >= SORT_FROM
        ? selected(await sortedByPartition(session, relation, between, by, signal), by)
        : values.length > 1 && computes(relation)
          ? await computedOnce(session, relation, between, by, progress, signal)
          : selected(relation, by)
    return await writeEach(session, rowsOf, folder, target, by, values, progress, signal)
  } finally {
    await rm(between, { recursive: true, force: true })
  }
}

/** The rows for which an expression holds, or all, without the columns that folders tell: a query. */
type RowsOf = (isPart: Expr | undefined) => string

function selected(relation: Relation, by: readonly string[]): RowsOf {
  const kept = relation.schema.filter(({ name }) => !by.includes(name)).map(({ name }) => ({ name, expr: col(name) }))
  return (isPart) => compile(project(isPart === undefined ? relation : filter(relation, isPart), kept), duckdb)
}

/** True if rows are more than columns of Parquet files: to find them for each partition again takes as long each time. */
function computes(relation: Relation): boolean {
  switch (relation.kind) {
    case 'scan':
      return relation.source.format !== 'parquet'
    case 'filter':
      return computes(relation.input)
    case 'project':
      return relation.columns.some(({ expr }) => !['column', 'literal'].includes(expr.op)) || computes(relation.input)
    case 'union':
      return relation.inputs.some(computes)
    default:
      return true
  }
}

/** The same rows in a file in between, which is read as it was written: types that relations do not know stay. */
async function computedOnce(
  session: Session,
  relation: Relation,
  folder: string,
  by: readonly string[],
  progress?: Progress,
  signal?: AbortSignal,
): Promise<RowsOf> {
  await mkdir(folder)
  const path = join(folder, 'computed.parquet')
  const target = { folder, format: 'parquet', compression: 'none', quick: true } as const
  await copy(session, compile(relation, duckdb), path, target, progress, signal)
  const kept = relation.schema.flatMap(({ name }) => (by.includes(name) ? [] : [identifier(name)])).join(', ')
  return (isPart) =>
    `SELECT ${kept} FROM read_parquet(${pathLiteral(path)}, hive_partitioning = false)${
      isPart === undefined ? '' : ` WHERE ${expression(isPart, relation, duckdb)}`
    }`
}

/** The same rows, each partition's together and in the relation's order: a scan for one then reads its row groups alone. */
async function sortedByPartition(
  session: Session,
  relation: Relation,
  folder: string,
  by: readonly string[],
  signal?: AbortSignal,
): Promise<Relation> {
  const taken = new Set(relation.schema.map(({ name }) => name.toLowerCase()))
  let place = '#place'
  while (taken.has(place)) place += '_'
  await mkdir(folder)
  const options = { folder, format: 'parquet', compression: 'snappy' } as const
  const [inOrder, together] = [join(folder, 'in-order.parquet'), join(folder, 'together.parquet')]
  await copy(session, compile(relation, duckdb), inOrder, options, undefined, signal)
  const numbered = scan({ format: 'parquet', paths: [inOrder] }, relation.schema, { rowNumber: place })
  // as text, as the folders are named: what a scan looks for must stand in the file to leave out row groups by it
  const asText = withColumns(
    numbered,
    by.map((name) => ({ name, expr: cast(col(name), 'text') })),
  )
  const keys: readonly OrderKey[] = [...by, place].map((name) => ({ expr: col(name) }))
  await copy(session, compile(sort(asText, keys), duckdb), together, options, undefined, signal)
  await rm(inOrder)
  return scan({ format: 'parquet', paths: [together] }, asText.schema.slice(0, -1))
}

async function writeEach(
  session: Session,
  rowsOf: RowsOf,
  folder: string,
  target: Target,
  by: readonly string[],
  partitions: readonly Partition[],
  progress?: Progress,
  signal?: AbortSignal,
): Promise<readonly File[]> {
  const total = partitions.reduce((sum, { rows = 0 }) => sum + rows, 0)
  const files: File[] = []
  let done = 0
  for (const { values: partition } of partitions) {
    const each = by.map((name, i) => {
      const [key, value] = [cast(col(name), 'text'), partition[i] ?? null]
      return value === null ? call('is_null', key) : call('eq', key, text(value))
    })
    const inside = partitionFolder(partition, by)
    const isPart = partitions.length === 1 ? undefined : call('and', ...each)
    await mkdir(join(folder, inside), { recursive: true })
    const one = await writeOne(session, rowsOf(isPart), join(folder, inside), target, undefined, signal)
    files.push({ ...one, path: join(inside, one.path), partition })
    done += one.rows
    progress?.({ rows: done, total, fraction: total === 0 ? 1 : done / total })
  }
  return files
}

/** What the rows of one folder share. */
export interface Partition {
  /** Of the columns that a table is partitioned by, in their order, as text. */
  readonly values: readonly (string | null)[]
  /** How many rows have them, where that was counted. */
  readonly rows?: number
}

/** The values of these keys, each text and called as a column, that occur together, in order, and how many rows have them. */
export function partitionCounts(relation: Relation, keys: readonly Named[]): Relation {
  const count = freeName('#rows', relation.schema)
  return sort(
    aggregated(relation, keys, [{ name: count, expr: aggregate('count', []) }]),
    keys.map(({ name }) => ({ expr: col(name), nulls: 'last' })),
  )
}

/** A row of `partitionCounts`. */
export const partitionOf = (row: readonly unknown[]): Partition => ({
  values: row.slice(0, -1).map((value) => (value as string | null | undefined) ?? null),
  rows: Number(row.at(-1)),
})

/** The folder of the rows that have these values of the columns `by`. */
export const partitionFolder = (values: Partition['values'], by: readonly string[]): string =>
  join(...by.map((name, i) => folderName(name, values[i])))

/**
 * Throws MR_PUBLISH_PARTITION where values are too many, or two would be in one folder and overwrite each other: a text
 * that is called as "missing" is, or a file system's case; MR_INTERNAL_BUG where there are others than the caller said.
 */
export function refuseValues(
  partitions: readonly Partition[],
  by: readonly string[],
  told?: Target['partitionValues'],
): void {
  if (partitions.length > MOST_PARTITIONS)
    throw new MillraceError(
      'MR_PUBLISH_PARTITION',
      `partitions by ${by.join(', ')} would be ${partitions.length} folders; at most ${MOST_PARTITIONS} are written`,
      { hint: 'partition by a column with fewer values, such as a day or a region' },
    )
  const known = told === undefined ? undefined : new Set(told.map((values) => JSON.stringify(values)))
  const seen = new Map<string, string>()
  for (const { values } of partitions) {
    const path = partitionFolder(values, by).toLowerCase()
    const words = by.map((name, i) => `${name} ${values[i] == null ? 'missing' : JSON.stringify(values[i])}`).join(', ')
    if (known?.has(JSON.stringify(values)) === false)
      throw new MillraceError('MR_INTERNAL_BUG', `a partition that was not said to be: ${words}`)
    const before = seen.get(path)
    if (before !== undefined)
      throw new MillraceError('MR_PUBLISH_PARTITION', `two partitions would be one folder: ${before} and ${words}`, {
        hint: 'folders are told apart without regard to case: partition by another column',
      })
    seen.set(path, words)
  }
}
