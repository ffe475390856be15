/**
 * Files with the same bytes each time: one ordered COPY a file, two or more threads, row groups of a fixed size, and
 * an order of rows that the relation defines or that is made here (reference: DuckDB keeps the order of scans, not of
 * joins, windows and groups).
 */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { MillraceError } from '../../core/errors.js'
import { makeFolder } from '../../core/files.js'
import type { Progress, Target, Written } from '../engine.js'
import { call, cast, col, text, type OrderKey } from '../expr.js'
import { aggregated, filter, isOrdered, project, scan, sort, withColumns, type Relation } from '../relation.js'
import { compile } from '../sql/compile.js'
import { duckdb, textLiteral } from '../sql/duckdb.js'
import type { Session } from './session.js'

/** Rows of a Parquet row group: DuckDB's own default, a multiple of its vectors. */
export const ROW_GROUP = 122_880
const NULL_PARTITION = '__HIVE_DEFAULT_PARTITION__'

/**
 * Writes into a folder beside the target and renames it when all is there; on failure or abort nothing is left.
 * Throws MR_FILE_EXISTS if the target's folder is there already.
 */
export async function writeFiles(
  session: Session,
  relation: Relation,
  target: Target,
  progress?: Progress,
  signal?: AbortSignal,
): Promise<Written> {
  if (await exists(target.folder))
    throw new MillraceError('MR_FILE_EXISTS', `${target.folder} exists; a table is written into a new folder`)
  const fresh = `${target.folder}.writing`
  const access = (error: unknown): never => {
    throw new MillraceError('MR_FILE_ACCESS', `cannot write ${target.folder}: ${String(error)}`, { cause: error })
  }
  await makeFolder(dirname(target.folder)).catch(access)
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh).catch(access)
  try {
    const ordered = inTotalOrder(relation)
    const written =
      target.partitionBy === undefined || target.partitionBy.length === 0
        ? await writeOne(session, ordered, fresh, target, progress, signal)
        : await writePartitions(session, ordered, fresh, target, target.partitionBy, progress, signal)
    await rename(fresh, target.folder)
    return written
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    throw error
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** The relation in an order that leaves nothing open, except among rows that are equal in all columns. */
export function inTotalOrder(relation: Relation): Relation {
  const all: OrderKey[] = relation.schema.map(({ name }) => ({ expr: col(name) }))
  if (!isOrdered(relation)) return sort(relation, all)
  return breakTies(relation)
}

/** Ends the keys of every sort that decides the order with the other columns. */
function breakTies(relation: Relation): Relation {
  switch (relation.kind) {
    case 'sort': {
      if (relation.unique === true) return relation
      const keyed = new Set(relation.by.map(({ expr }) => (expr.op === 'column' ? expr.name : '')))
      const rest = relation.schema.filter(({ name }) => !keyed.has(name)).map(({ name }) => ({ expr: col(name) }))
      return { ...relation, by: [...relation.by, ...rest] }
    }
    case 'project':
    case 'filter':
    case 'limit':
      return { ...relation, input: breakTies(relation.input) }
    case 'union':
      return { ...relation, inputs: relation.inputs.map(breakTies) }
    default:
      return relation
  }
}

async function writeOne(
  session: Session,
  relation: Relation,
  folder: string,
  target: Target,
  progress?: Progress,
  signal?: AbortSignal,
): Promise<Written> {
  const name = `part-0.${target.format}${target.format !== 'parquet' && target.compression === 'gzip' ? '.gz' : ''}`
  const path = join(folder, name)
  const rows = await copy(session, relation, path, target, progress, signal)
  return { schema: relation.schema, rows, files: [{ path: name, rows, bytes: (await stat(path)).size }] }
}

/** From so many partitions on the rows are first sorted by them: a scan for each would read everything each time. */
const SORT_FROM = 8
/** One file each at least: beyond this a table is no table any more but a mistake. */
const MOST_PARTITIONS = 10_000

/** One COPY a value, so that each file keeps the relation's order; the values in their own order. */
async function writePartitions(
  session: Session,
  relation: Relation,
  folder: string,
  target: Target,
  by: readonly string[],
  progress?: Progress,
  signal?: AbortSignal,
): Promise<Written> {
  const keys = by.map((name) => ({ name, expr: cast(col(name), 'text') }))
  const groups = sort(
    aggregated(relation, keys, [{ name: '#rows', expr: { op: 'aggregate', fn: 'count', args: [] } }]),
    keys.map(({ name }) => ({ expr: col(name), nulls: 'last' })),
  )
  const values = await session.use(async (connection) => {
    const reader = await connection.runAndReadAll(compile(groups, duckdb))
    return reader.getRows()
  }, signal)
  refuseValues(values, by)
  const sorted = `${folder}.sorted`
  try {
    const input = values.length < SORT_FROM ? relation : await sortedByPartition(session, relation, sorted, by, signal)
    const written = await writeEach(session, input, folder, target, by, values, progress, signal)
    return { ...written, schema: relation.schema }
  } finally {
    await rm(sorted, { recursive: true, force: true })
  }
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
  await copy(session, relation, inOrder, options, undefined, signal)
  const numbered = scan({ format: 'parquet', paths: [inOrder] }, relation.schema, { rowNumber: place })
  // as text, as the folders are named: what a scan looks for must stand in the file to leave out row groups by it
  const asText = withColumns(
    numbered,
    by.map((name) => ({ name, expr: cast(col(name), 'text') })),
  )
  const keys: readonly OrderKey[] = [...by, place].map((name) => ({ expr: col(name) }))
  await copy(session, sort(asText, keys), together, options, undefined, signal)
  await rm(inOrder)
  return scan({ format: 'parquet', paths: [together] }, asText.schema.slice(0, -1))
}

async function writeEach(
  session: Session,
  relation: Relation,
  folder: string,
  target: Target,
  by: readonly string[],
  values: readonly (readonly unknown[])[],
  progress?: Progress,
  signal?: AbortSignal,
): Promise<Written> {
  const kept = relation.schema.filter(({ name }) => !by.includes(name)).map(({ name }) => ({ name, expr: col(name) }))
  const total = values.reduce((sum, row) => sum + Number(row[by.length]), 0)
  const files: Written['files'][number][] = []
  let done = 0
  for (const row of values) {
    const parts = by.map((name, i) => {
      const value = row[i] as string | null | undefined
      const key = cast(col(name), 'text')
      const isValue = value == null ? call('is_null', key) : call('eq', key, text(value))
      return isValue
    })
    const inside = partitionFolder(row, by)
    const part = project(filter(relation, call('and', ...parts)), kept)
    await mkdir(join(folder, inside), { recursive: true })
    const one = await writeOne(session, part, join(folder, inside), target, undefined, signal)
    files.push(...one.files.map((file) => ({ ...file, path: join(inside, file.path) })))
    done += one.rows
    progress?.({ rows: done, total, fraction: total === 0 ? 1 : done / total })
  }
  return { schema: relation.schema, rows: total, files }
}

/** The folder of the rows that have these values, as text or null, of the columns `by`. */
export function partitionFolder(row: readonly unknown[], by: readonly string[]): string {
  const values = row as readonly (string | null | undefined)[]
  return join(
    ...by.map((name, i) => `${encodeURIComponent(name)}=${values[i] == null ? NULL_PARTITION : encode(values[i])}`),
  )
}

/**
 * Throws MR_PUBLISH_PARTITION where values are too many, or two would be in one folder and overwrite each other: a text
 * that is called as "missing" is, or a file system's case.
 */
export function refuseValues(values: readonly (readonly unknown[])[], by: readonly string[]): void {
  if (values.length > MOST_PARTITIONS)
    throw new MillraceError(
      'MR_PUBLISH_PARTITION',
      `partitions by ${by.join(', ')} would be ${values.length} folders; at most ${MOST_PARTITIONS} are written`,
      { hint: 'partition by a column with fewer values, such as a day or a region' },
    )
  const seen = new Map<string, string>()
  for (const row of values as readonly (readonly (string | null)[])[]) {
    const names = by.map((_, i) => (row[i] == null ? NULL_PARTITION : encode(row[i])))
    const path = names.join('/').toLowerCase()
    const words = by.map((name, i) => `${name} ${row[i] == null ? 'missing' : JSON.stringify(row[i])}`).join(', ')
    const before = seen.get(path)
    if (before !== undefined)
      throw new MillraceError('MR_PUBLISH_PARTITION', `two partitions would be one folder: ${before} and ${words}`, {
        hint: 'folders are told apart without regard to case: partition by another column',
      })
    seen.set(path, words)
  }
}

/** As a folder's name: what is not plain ASCII is percent-encoded, as DuckDB does. */
const encode = (value: string): string =>
  encodeURIComponent(value).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

async function copy(
  session: Session,
  relation: Relation,
  path: string,
  target: Target,
  progress?: Progress,
  signal?: AbortSignal,
): Promise<number> {
  const sql = `COPY (\n${compile(relation, duckdb)}\n) TO ${textLiteral(path)} (${copyOptions(target)})`
  return session.use(async (connection) => {
    const stop = progress === undefined ? undefined : await watch(connection, progress)
    try {
      const reader = await connection.runAndReadAll(sql)
      const rows = Number(reader.getRows()[0]?.[0] ?? 0)
      progress?.({ rows, total: rows, fraction: 1 })
      return rows
    } finally {
      stop?.()
    }
  }, signal)
}

/** Different values in a row group beyond which a quick table has no dictionary of them: numbers have far more. */
const QUICK_DICTIONARY = 4096

function copyOptions({ format, compression = format === 'parquet' ? 'snappy' : 'none', quick }: Target): string {
  switch (format) {
    case 'parquet': {
      const effort = quick === true ? `, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT ${QUICK_DICTIONARY}` : ''
      return `FORMAT parquet, COMPRESSION ${compression === 'none' ? 'uncompressed' : compression}${effort}, ROW_GROUP_SIZE ${ROW_GROUP}`
    }
    case 'csv':
      return `FORMAT csv, HEADER true, DELIMITER ',', QUOTE '"', ESCAPE '"'${compression === 'gzip' ? ', COMPRESSION gzip' : ''}`
    case 'json':
      return `FORMAT json${compression === 'gzip' ? ', COMPRESSION gzip' : ''}`
  }
}

/** Reports ten times a second what DuckDB says of its progress; the function returned ends it. */
async function watch(connection: DuckDBConnection, progress: Progress): Promise<() => void> {
  for (const setting of ['enable_progress_bar = true', 'enable_progress_bar_print = false', 'progress_bar_time = 0'])
    await connection.run(`SET ${setting}`)
  const timer = setInterval(() => {
    const { percentage, rows_processed, total_rows_to_process } = connection.progress
    if (percentage < 0) return
    progress({ rows: Number(rows_processed), total: Number(total_rows_to_process), fraction: percentage / 100 })
  }, 100)
  timer.unref()
  return () => clearInterval(timer)
}

/** Files below a folder, for tests and manifests: relative paths in name order. */
export async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return files.map((file) => file.slice(folder.length + 1)).sort()
}
