/**
 * Tables written by the cluster: into a folder beside the target, which is renamed when all is there, in the relation's
 * order, cut where rows alone decide. Every file's rows are counted by Spark and in its footer; where the two differ,
 * the cluster and this machine do not see the same folder.
 */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import { makeFolder } from '../../core/files.js'
import { parallel } from '../../core/parallel.js'
import type { Field } from '../../core/schema.js'
import { inTotalOrder, withInfinite, writeFiles as writeEmbedded } from '../duckdb/write.js'
import type { Progress, Target, Written } from '../engine.js'
import { scan, type Relation } from '../relation.js'
import { identifier } from '../sql/spark.js'
import { compile } from '../sql/compile.js'
import { positionOf, spark } from '../sql/spark-scan.js'
import type { Cluster } from './cluster.js'
import type { SparkQuery, SparkRead } from './connect/plan.js'
import type { SparkProgress } from './connect/watch.js'
import { ATTEMPTS, isLost, sparkEngineError } from './errors.js'
import { orderFooter } from './footer-order.js'
import { rowsOf } from './footers.js'
import { type Piece, piecesOf } from './order.js'
import { writePartitions } from './partitions.js'
import { locatedAt, metadataOf, pattern, queryOf } from './reads.js'

/** Rows of a file, where the cluster's own cuts depend on how it was sorted, or leave many small files. */
const FILE_ROWS = 2 ** 20
/** Files with fewer rows on average are put together. */
const SMALL_FILE = 2 ** 16
/** Queries that write at the same time. */
const AT_ONCE = 3

export type DataFile = Omit<Written['files'][number], 'bytes'>

/** Writes as `Engine.write` says; nothing is left on failure or abort. */
export async function writeTable(
  cluster: Cluster,
  relation: Relation,
  prepare: (relation: Relation) => Promise<Relation>,
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
    const by = target.partitionBy ?? []
    const parquet = { ...target, format: 'parquet' } as const
    const ordered = await prepare(inTotalOrder(relation))
    const writing = { cluster, folder: fresh, target: parquet, progress, signal }
    const files = by.length === 0 ? await writeOrdered(writing, ordered) : await writePartitions(writing, ordered, by)
    const schema = relation.schema.filter(({ name }) => !by.includes(name))
    const kept = target.format === 'parquet' ? files : await asText(writing, files, schema, target)
    const rows = files.reduce((sum, file) => sum + file.rows, 0)
    const written = await Promise.all(
      kept.map(async (file) => ({ ...file, bytes: (await stat(join(fresh, file.path))).size })),
    )
    const isTold = target.tellInfinite === true && target.format === 'parquet'
    const told = isTold ? await withInfinite(cluster.embedded, fresh, written, signal) : written
    await rename(fresh, target.folder)
    progress?.({ rows, total: rows, fraction: 1 })
    return { schema: relation.schema, rows, files: told }
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    throw sparkEngineError(error, signal)
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** One table's way into a folder. */
export interface Writing {
  readonly cluster: Cluster
  /** Where its files go. */
  readonly folder: string
  readonly target: Target
  readonly progress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** The rows of a prepared relation as `part-00000.parquet` and so on below the folder, in order. */
export async function writeOrdered(writing: Writing, relation: Relation): Promise<readonly DataFile[]> {
  const { cluster, folder } = writing
  const pieces = piecesOf(relation)
  const report = shares(writing.progress, pieces.length)
  const written: (readonly DataFile[])[] = []
  await parallel([...pieces.entries()], AT_ONCE, async ([i, piece]) => {
    const query = queryOf(cluster, piece.relation, stored(piece))
    const files = await writeQuery(writing, query, join(folder, `piece-${i}`), { report: report(i) })
    const isLeft = files.length < 2 || (piece.isFixed && meanRows(files) >= SMALL_FILE)
    written[i] = isLeft ? files : await recut(writing, relation, files, `cut-${i}`)
  })
  const all = written.flat()
  const some = all.filter(({ rows }) => rows > 0)
  const kept = some.length > 0 ? some : all.slice(0, 1)
  const named: DataFile[] = []
  for (const [i, { path, rows }] of kept.entries()) {
    const name = `part-${String(i).padStart(5, '0')}.parquet`
    await settle(path, join(folder, name))
    named.push({ path: name, rows })
  }
  for (const name of await readdir(folder))
    if (/^(piece|cut)-/.test(name)) await rm(join(folder, name), { recursive: true })
  return named
}

/** Gives a file its place, and the bytes that it has whatever process wrote it; without the checksum beside the old place. */
export async function settle(from: string, to: string): Promise<void> {
  await rename(from, to)
  await orderFooter(to)
}

const meanRows = (files: readonly DataFile[]): number => files.reduce((sum, { rows }) => sum + rows, 0) / files.length

/**
 * A piece as its files hold it. What may be cut has only columns that may be NULL, which they are once they are read again:
 * Parquet tells them apart.
 */
function stored({ relation, isFixed }: Piece): string {
  const columns = relation.schema.map((field) =>
    isFixed
      ? storedColumn(field)
      : storedColumn(field, `CASE WHEN spark_partition_id() >= 0 THEN ${identifier(field.name)} END`),
  )
  return `SELECT ${columns.join(', ')} FROM (\n${compile(relation, spark)}\n) AS q`
}

/** A column of a written table: in files times have no zone, so that DuckDB reads them without one. */
export const storedColumn = ({ name, type }: Field, value = identifier(name)): string =>
  `${type === 'timestamp' ? `CAST(${value} AS TIMESTAMP_NTZ)` : value} AS ${identifier(name)}`

/** The files of a query's rows, in the order of Spark's names; where a write is begun again, in another folder. */
export async function writeQuery(
  { cluster, target, signal }: Writing,
  query: SparkQuery,
  folder: string,
  {
    report,
    partitionBy,
  }: { readonly report?: (progress: SparkProgress) => void; readonly partitionBy?: readonly string[] } = {},
): Promise<readonly DataFile[]> {
  for (let attempt = 1; ; attempt++) {
    const path = `${folder}-${attempt}`
    try {
      const to = { format: 'parquet', path: locatedAt(path), mode: 'error', options: options(target) } as const
      const counted = await cluster.spark.write(
        query,
        { ...to, observe: { rows: 'count(*)' }, ...(partitionBy === undefined ? {} : { partitionBy }) },
        { signal, onProgress: report },
      )
      return await filesOf(cluster, path, Number(counted['rows'] ?? -1), signal)
    } catch (error) {
      await rm(path, { recursive: true, force: true })
      if (!isLost(error) || attempt === ATTEMPTS || signal?.aborted === true) throw error
    }
  }
}

async function filesOf(
  cluster: Cluster,
  folder: string,
  counted: number,
  signal?: AbortSignal,
): Promise<readonly DataFile[]> {
  const names = (await readdir(folder, { recursive: true }).catch(() => []))
    .filter((name) => basename(name).startsWith('part-'))
    .sort()
  const paths = names.map((name) => join(folder, name))
  const rows = await rowsOf(cluster.embedded, paths, signal)
  const sum = rows.reduce((total, one) => total + one, 0)
  if (sum !== counted || !(await exists(join(folder, '_SUCCESS'))))
    throw new MillraceError(
      'MR_SPARK_PATHS',
      `the cluster says that it wrote ${counted} rows into ${folder}; ${sum} are there`,
      { hint: 'the executors must see the same folders under the same paths as this machine (a shared disk or mount)' },
    )
  return paths.map((path, i) => ({ path, rows: rows[i] ?? 0 }))
}

function options({ compression = 'snappy', quick }: Target): Readonly<Record<string, string>> {
  return {
    compression: compression === 'none' ? 'uncompressed' : compression,
    ...(quick === true ? { 'parquet.compression.codec.zstd.level': '1' } : {}),
  }
}

/** The same rows in files of a fixed number: where a sort is cut depends on a sample, and on the cluster. */
async function recut(
  writing: Writing,
  { schema }: Relation,
  files: readonly DataFile[],
  name: string,
): Promise<readonly DataFile[]> {
  const columns = schema.map((field) => identifier(field.name)).join(', ')
  const position = positionOf(schema)
  const total = files.reduce((sum, { rows }) => sum + rows, 0)
  const starts = Array.from({ length: Math.max(1, Math.ceil(total / FILE_ROWS)) }, (_, i) => i * FILE_ROWS)
  const cut: DataFile[] = []
  await parallel([...starts.entries()], AT_ONCE, async ([i, start]) => {
    const reads: Record<string, SparkRead> = {}
    const own = `t${writing.cluster.next()}`
    const selects: string[] = []
    let before = 0
    for (const [f, { path, rows }] of files.entries()) {
      const [low, high] = [start - before, start + FILE_ROWS - before]
      before += rows
      if (high <= 0 || low >= rows) continue
      // as it stands, without a schema: types are those of the files
      const select = ['*', `${metadataOf(schema)}.row_index AS ${position}`]
      reads[`${own}_${f}`] = { format: 'parquet', paths: [pattern(path)], select }
      selects.push(`SELECT ${columns} FROM ${own}_${f} WHERE ${position} >= ${low} AND ${position} < ${high}`)
    }
    const query = writing.cluster.spark.sql(
      `SELECT /*+ COALESCE(1) */ * FROM (${selects.join(' UNION ALL ')}) AS rows`,
      {},
      reads,
    )
    const [file] = await writeQuery(writing, query, join(writing.folder, `${name}-${i}`))
    if (file === undefined) throw new MillraceError('MR_INTERNAL_BUG', 'a cut of a table has no file')
    cut[i] = file
  })
  return cut
}

/** As CSV or JSON: what the embedded engine writes of the same files, so that the texts are the same. */
async function asText(
  { cluster, folder, signal }: Writing,
  files: readonly DataFile[],
  schema: Relation['schema'],
  target: Target,
): Promise<readonly DataFile[]> {
  const written: DataFile[] = []
  // without partitions all parts are one table, which is one file
  const tables = new Map<string, DataFile[]>()
  for (const file of files) tables.set(dirname(file.path), [...(tables.get(dirname(file.path)) ?? []), file])
  for (const [inside, parts] of tables) {
    const paths = parts.map(({ path }) => join(folder, path))
    const rows = scan({ format: 'parquet', paths, plain: true }, schema)
    const text = join(folder, inside, 'text')
    const { partitionBy: _, ...options } = target
    const one = await writeEmbedded(cluster.embedded, rows, { ...options, folder: text }, undefined, signal)
    for (const path of paths) await rm(path)
    for (const file of one.files) {
      const path = join(inside, file.path)
      await rename(join(text, file.path), join(folder, path))
      written.push({ ...parts[0], path, rows: file.rows })
    }
    await rm(text, { recursive: true, force: true })
  }
  return written
}

/** The tasks that several queries have done, of all, as one progress. */
function shares(progress: Progress | undefined, queries: number): (index: number) => (of: SparkProgress) => void {
  const done = new Map<number, number>()
  return (index) =>
    ({ tasks, done: finished }) => {
      done.set(index, tasks === 0 ? 0 : finished / tasks)
      const sum = [...done.values()].reduce((total, one) => total + one, 0)
      // the last word is that of the table's end
      progress?.({ rows: 0, total: 0, fraction: Math.min(0.99, sum / queries) })
    }
}
