/**
 * A table as one folder for each value of some columns, each with its rows in the table's order. Few values are written
 * as they are met, each task with a file for each; for many there is one shuffle that brings a value's rows together.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import { partitionFolder, refuseValues } from '../duckdb/partitions.js'
import { aggregate, cast, col, type Named } from '../expr.js'
import { aggregated, scan, sort, withColumns, type Relation } from '../relation.js'
import { compile } from '../sql/compile.js'
import { identifier } from '../sql/spark.js'
import { POSITION, spark } from '../sql/spark-scan.js'
import type { SparkRead } from './connect/plan.js'
import { rowsOf as rowsInFiles } from './footers.js'
import { type Piece, piecesOf } from './order.js'
import { rowsOf } from './query.js'
import { pattern, queryOf, scansOf } from './reads.js'
import { SPLIT, WRITERS } from './settings.js'
import { type DataFile, type Writing, settle, storedColumn, writeOrdered, writeQuery } from './write.js'

/** A column of whole numbers, as Spark makes another text of a partition's text, and sorts anew for it. */
const PART = '__millrace_part'
/** Rows that a file of a task and a value has at least, on average: else a shuffle is the smaller evil. */
const SMALL_FILE = 2 ** 13

/** Files relative to the folder: those below `column=value`, in the order of the values, and in that of their rows. */
export async function writePartitions(
  writing: Writing,
  relation: Relation,
  by: readonly string[],
): Promise<readonly DataFile[]> {
  const keys = keyNames(relation, by)
  const keyed = withColumns(
    relation,
    by.map((name, i): Named => ({ name: keys[i] ?? name, expr: cast(col(name), 'text') })),
  )
  const kept = relation.schema.filter(({ name }) => !by.includes(name)).map(({ name }) => name)
  const pieces = piecesOf(keyed)
  const tasks = pieces.every(({ isFixed }) => isFixed) ? await tasksOf(writing, keyed) : undefined
  if (tasks !== undefined && tasks.rows >= tasks.count * SMALL_FILE) {
    const found = await combinations(writing, keyed, keys, by)
    if (found.rows.length < WRITERS && found.total >= found.rows.length * tasks.count * SMALL_FILE)
      return asMet(writing, pieces, by, kept, found)
  }
  const inOrder = join(writing.folder, 'in-order')
  await mkdir(inOrder)
  const files = await writeOrdered({ ...writing, folder: inOrder }, keyed)
  const paths = files.map(({ path }) => join(inOrder, path))
  const stored = scan(
    { format: 'parquet', paths, plain: true },
    keys.map((name) => ({ name, type: 'text' as const })),
  )
  const found = await combinations(writing, stored, keys, by)
  const written = found.rows.length === 0 ? [] : await brought(writing, by, kept, found, files, inOrder)
  await rm(inOrder, { recursive: true })
  return written
}

function keyNames({ schema }: Relation, by: readonly string[]): readonly string[] {
  const taken = new Set(schema.map(({ name }) => name.toLowerCase()))
  let stem = '#key'
  while ([...taken].some((name) => name.startsWith(stem))) stem += '_'
  return by.map((_, i) => `${stem}${i}`)
}

/** How many tasks read the relation's files, and at most how many rows. */
async function tasksOf(
  { cluster, signal }: Writing,
  relation: Relation,
): Promise<{ readonly count: number; readonly rows: number }> {
  const paths = scansOf(relation).flatMap(({ source }) => source.paths)
  const rows = await rowsInFiles(cluster.embedded, paths, signal)
  const sizes = await Promise.all(paths.map((path) => stat(path)))
  return {
    count: sizes.reduce((sum, { size }) => sum + Math.ceil(size / SPLIT), 0),
    rows: rows.reduce((sum, one) => sum + one, 0),
  }
}

/** The values of the keys that occur together. */
interface Combinations {
  /** In order: the values, as text or null, and how many rows have them. */
  readonly rows: readonly (readonly unknown[])[]
  readonly total: number
  /** SQL of a row's combination as a number, and that number for one of `rows`. */
  readonly number: string
  readonly numberOf: (row: readonly unknown[]) => number
}

/** Throws for values that no folder can be named after. */
async function combinations(
  { cluster, signal }: Writing,
  relation: Relation,
  keys: readonly string[],
  by: readonly string[],
): Promise<Combinations> {
  const groups = sort(
    aggregated(
      relation,
      keys.map((name) => ({ name, expr: col(name) })),
      [{ name: '#rows', expr: aggregate('count', []) }],
    ),
    keys.map((name) => ({ expr: col(name), nulls: 'last' })),
  )
  const rows: (readonly unknown[])[] = []
  for await (const row of rowsOf(cluster, groups, signal)) rows.push(row)
  refuseValues(rows, by)
  // for each key its values; the number of a combination is written in digits of so many values
  const lists = keys.map((_, i) => [...new Set(rows.flatMap((row) => (typeof row[i] === 'string' ? [row[i]] : [])))])
  const digit = (i: number): string =>
    `coalesce(${spark.position(identifier(keys[i] ?? ''), lists[i] ?? [])}, ${lists[i]?.length ?? 0}L)`
  const number = keys.reduce(
    (sql, _, i) => (i === 0 ? digit(0) : `(${sql} * ${(lists[i]?.length ?? 0) + 1}L + ${digit(i)})`),
    '',
  )
  const numberOf = (row: readonly unknown[]): number =>
    keys.reduce((sum, _, i) => {
      const [list, value] = [lists[i] ?? [], row[i]]
      return sum * (list.length + 1) + (typeof value === 'string' ? list.indexOf(value) : list.length)
    }, 0)
  return { rows, total: rows.reduce((sum, row) => sum + Number(row[keys.length]), 0), number, numberOf }
}

/** Each task keeps a file open for each value, so that rows stay in order without being sorted. */
async function asMet(
  writing: Writing,
  pieces: readonly Piece[],
  by: readonly string[],
  kept: readonly string[],
  found: Combinations,
): Promise<readonly DataFile[]> {
  const parts: DataFile[] = []
  for (const [i, { relation }] of pieces.entries()) {
    const columns = relation.schema.flatMap((field) => (kept.includes(field.name) ? [storedColumn(field)] : []))
    const sql = `SELECT ${[...columns, `${found.number} AS ${PART}`].join(', ')} FROM (\n${compile(relation, spark)}\n) AS q`
    const query = queryOf(writing.cluster, relation, sql)
    parts.push(...(await writeQuery(writing, query, join(writing.folder, `parts-${i}`), { partitionBy: [PART] })))
  }
  return placed(writing, by, found, parts)
}

/** Rows that stand in order in files, each combination's together. */
async function brought(
  writing: Writing,
  by: readonly string[],
  kept: readonly string[],
  found: Combinations,
  files: readonly DataFile[],
  inOrder: string,
): Promise<readonly DataFile[]> {
  const reads: Record<string, SparkRead> = {}
  const own = `t${writing.cluster.next()}`
  let before = 0
  for (const [i, { path, rows }] of files.entries()) {
    const select = ['*', `_metadata.row_index + ${before}L AS ${POSITION}`]
    // as it stands, without a schema: types are those of the files
    reads[`${own}_${i}`] = { format: 'parquet', paths: [pattern(join(inOrder, path))], select }
    before += rows
  }
  const all = Object.keys(reads).map((name) => `SELECT * FROM ${name}`)
  const query = writing.cluster.spark.sql(
    `SELECT ${[...kept.map(identifier), PART].join(', ')} FROM (SELECT *, ${found.number} AS ${PART} FROM (${all.join(' UNION ALL ')}) AS q) AS p ` +
      `DISTRIBUTE BY ${PART} SORT BY ${PART}, ${POSITION}`,
    {},
    reads,
  )
  const parts = await writeQuery(writing, query, join(writing.folder, 'parts'), { partitionBy: [PART] })
  return placed(writing, by, found, parts)
}

/** Gives each combination's files their places, when all of its rows are there. */
async function placed(
  writing: Writing,
  by: readonly string[],
  { rows: combined, numberOf }: Combinations,
  parts: readonly DataFile[],
): Promise<readonly DataFile[]> {
  const found = new Map<number, DataFile[]>()
  for (const file of parts) {
    const part = Number(/__millrace_part=(\d+)/.exec(file.path)?.[1])
    found.set(part, [...(found.get(part) ?? []), file])
  }
  const written: DataFile[] = []
  for (const row of combined) {
    const files = found.get(numberOf(row)) ?? []
    const [rows, counted] = [Number(row[by.length]), files.reduce((sum, file) => sum + file.rows, 0)]
    if (rows !== counted || found.size !== combined.length)
      throw new MillraceError(
        'MR_INTERNAL_BUG',
        `partition ${numberOf(row)} has ${rows} rows; Spark wrote ${counted}, and ${found.size} partitions of ${combined.length}`,
      )
    const folder = partitionFolder(row, by)
    await mkdir(join(writing.folder, folder), { recursive: true })
    for (const [i, file] of files.entries()) {
      const path = join(folder, `part-${i}.parquet`)
      await settle(file.path, join(writing.folder, path))
      const partition = by.map((_, k) => (row[k] as string | null | undefined) ?? null)
      written.push({ path, rows: file.rows, partition })
    }
  }
  for (const name of await readdir(writing.folder))
    if (name.startsWith('parts-')) await rm(join(writing.folder, name), { recursive: true })
  return written
}
