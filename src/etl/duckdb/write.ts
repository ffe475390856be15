/**
 * Files with the same bytes each time: one ordered COPY a file, two or more threads, row groups of a fixed size, and
 * an order of rows that the relation defines or that is made here (reference: DuckDB keeps the order of scans, not of
 * joins, windows and groups).
 */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import { makeFolder } from '../../core/files.js'
import type { Progress, Target, Written } from '../engine.js'
import { col, type OrderKey } from '../expr.js'
import { isOrdered, sort, type Relation } from '../relation.js'
import { compile } from '../sql/compile.js'
import { duckdb, pathLiteral } from '../sql/duckdb.js'
import { type File, writeOne } from './copy.js'
import { writePartitions } from './partitions.js'
import type { Session } from './session.js'

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
    const files =
      target.partitionBy === undefined || target.partitionBy.length === 0
        ? [await writeOne(session, compile(ordered, duckdb), fresh, target, progress, signal)]
        : await writePartitions(session, ordered, fresh, target, target.partitionBy, progress, signal)
    const rows = files.reduce((sum, file) => sum + file.rows, 0)
    const told = target.tellInfinite === true ? await withInfinite(session, fresh, files, signal) : files
    await rename(fresh, target.folder)
    return { schema: relation.schema, rows, files: told }
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

/** Files with their columns of numbers in which the statistics of Parquet leave room for a NaN or an infinity. */
export async function withInfinite(
  session: Session,
  folder: string,
  files: readonly File[],
  signal?: AbortSignal,
): Promise<readonly File[]> {
  if (files.length === 0) return files
  const paths = files.map(({ path }) => pathLiteral(join(folder, path)))
  const isFinite = (bound: string): string => `coalesce(isfinite(TRY_CAST(${bound} AS DOUBLE)), false)`
  const found = await session.use(async (connection) => {
    // a row group with a NaN has no bounds, and one with an infinity lacks one of them
    const reader = await connection.runAndReadAll(
      `SELECT DISTINCT file_name, path_in_schema FROM parquet_metadata([${paths.join(', ')}])
       WHERE type IN ('FLOAT', 'DOUBLE') AND NOT (${isFinite('stats_min_value')} AND ${isFinite('stats_max_value')})`,
    )
    return reader.getRows().map((row) => row.map(String))
  }, signal)
  return files.map((file) => {
    const columns = found.flatMap(([path, name = '']) => (path === join(folder, file.path) ? [name] : []))
    return columns.length === 0 ? file : { ...file, perhapsInfinite: columns.sort() }
  })
}

/** Files below a folder, for tests and manifests: relative paths in name order. */
export async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return files.map((file) => file.slice(folder.length + 1)).sort()
}
