/**
 * A table as one folder for each value of some columns, each with its rows in the table's order. Few values are written
 * as they are met, each task with a file for each; for many there is one shuffle that brings a value's rows together.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import type { Schema } from '../../core/schema.js'
import { type Partition, partitionCounts, partitionFolder, partitionOf, refuseValues } from '../duckdb/partitions.js'
import { cast, col, type Named } from '../expr.js'
import { scan, withColumns, type Relation } from '../relation.js'
import { freeName } from '../repeated.js'
import { compile } from '../sql/compile.js'
import { identifier } from '../sql/spark.js'
import { positionOf, spark } from '../sql/spark-scan.js'
import type { SparkRead } from './connect/plan.js'
import { rowsOf as rowsInFiles } from './footers.js'
import { type Piece, piecesOf } from './order.js'
import { rowsOf } from './query.js'
import { metadataOf, pattern, queryOf, scansOf } from './reads.js'
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
  const kept = relation.schema.filter(({ name }) => !by.includes(name))
  const pieces = piecesOf(keyed)
  const tasks = pieces.every(({ isFixed }) => isFixed) ? await tasksOf(writing, keyed) : undefined
  if (tasks !== undefined) {
    const told = writing.target.partitionValues
    // one task leaves one file for each value, as a shuffle would
    if (told !== undefined && told.length < WRITERS)
      if (tasks.count === 1 || tasks.rows >= told.length * tasks.count * SMALL_FILE)
        return asMet(writing, pieces, by, kept, numbered(inOrder(told), keys))
    if (tasks.rows >= tasks.count * SMALL_FILE) {
      const found = await combinations(writing, keyed, keys, by)
      const total = found.partitions.reduce((sum, { rows = 0 }) => sum + rows, 0)
      if (found.partitions.length < WRITERS && total >= found.partitions.length * tasks.count * SMALL_FILE)
        return asMet(writing, pieces, by, kept, found)
    }
  }
  const between = join(writing.folder, 'in-order')
  await mkdir(between)
  const files = await writeOrdered({ ...writing, folder: between }, keyed)
  const paths = files.map(({ path }) => join(between, path))
  const stored = scan(
    { format: 'parquet', paths, plain: true },
    keys.map((name) => ({ name, type: 'text' as const })),
  )
  const found = await combinations(writing, stored, keys, by)
  const written = found.partitions.length === 0 ? [] : await brought(writing, by, kept, found, files, between)
  await rm(between, { recursive: true })
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

/** The values of the keys that occur together, or may. */
interface Combinations {
  /** In order. */
  readonly partitions: readonly Partition[]
  /** SQL of a row's combination as a number, which for values that are none of these is none of theirs. */
  readonly number: string
  readonly numberOf: (values: Partition['values']) => number
}

/** Of the relation's rows, counted. Throws for values that no folder can be named after. */
async function combinations(
  { cluster, target, signal }: Writing,
  relation: Relation,
  keys: readonly string[],
  by: readonly string[],
): Promise<Combinations> {
  const counts = partitionCounts(
    relation,
    keys.map((name) => ({ name, expr: col(name) })),
  )
  const partitions: Partition[] = []
  for await (const row of rowsOf(cluster, counts, signal)) partitions.push(partitionOf(row))
  refuseValues(partitions, by, target.partitionValues)
  return numbered(partitions, keys)
}

function numbered(partitions: readonly Partition[], keys: readonly string[]): Combinations {
  // for each key its values; the number of a combination is written in digits, one for each value, "missing" and others
  const lists = keys.map((_, i) => [...new Set(partitions.flatMap(({ values }) => values[i] ?? []))])
  const number = keys.reduce((sql, name, i) => {
    const [key, list] = [identifier(name), lists[i] ?? []]
    const digit = `coalesce(${spark.position(key, list)}, if(${key} IS NULL, ${list.length}L, ${list.length + 1}L))`
    return i === 0 ? digit : `(${sql} * ${list.length + 2}L + ${digit})`
  }, '')
  const numberOf = (values: Partition['values']): number =>
    lists.reduce((sum, list, i) => {
      const value = values[i] ?? null
      return sum * (list.length + 2) + (value === null ? list.length : list.indexOf(value))
    }, 0)
  return { partitions, number, numberOf }
}

/** As `partitionCounts` has them. */
function inOrder(told: readonly Partition['values'][]): readonly Partition[] {
  const sorted = [...told].sort((a, b) => {
    const i = a.findIndex((value, k) => value !== b[k])
    const [one, other] = [a[i] ?? null, b[i] ?? null]
    if (one === null || other === null) return Number(one === null) - Number(other === null)
    return Buffer.compare(Buffer.from(one), Buffer.from(other))
  })
  return sorted.map((values) => ({ values }))
}

/** Each task keeps a file open for each value, so that rows stay in order without being sorted. */
async function asMet(
  writing: Writing,
  pieces: readonly Piece[],
  by: readonly string[],
  kept: Schema,
  found: Combinations,
): Promise<readonly DataFile[]> {
  const part = freeName(PART, kept)
  const parts: DataFile[] = []
  for (const [i, { relation }] of pieces.entries()) {
    const sql = `SELECT ${[...kept.map((field) => storedColumn(field)), `${found.number} AS ${part}`].join(', ')} FROM (\n${compile(relation, spark)}\n) AS q`
    const query = queryOf(writing.cluster, relation, sql)
    parts.push(...(await writeQuery(writing, query, join(writing.folder, `parts-${i}`), { partitionBy: [part] })))
  }
  return placed(writing, by, found, parts)
}

/** Rows that stand in order in files, each combination's together. */
async function brought(
  writing: Writing,
  by: readonly string[],
  kept: Schema,
  found: Combinations,
  files: readonly DataFile[],
  between: string,
): Promise<readonly DataFile[]> {
  const [part, position] = [freeName(PART, kept), positionOf(kept)]
  const reads: Record<string, SparkRead> = {}
  const own = `t${writing.cluster.next()}`
  let before = 0
  for (const [i, { path, rows }] of files.entries()) {
    const select = ['*', `${metadataOf(kept)}.row_index + ${before}L AS ${position}`]
    // as it stands, without a schema: types are those of the files
    reads[`${own}_${i}`] = { format: 'parquet', paths: [pattern(join(between, path))], select }
    before += rows
  }
  const all = Object.keys(reads).map((name) => `SELECT * FROM ${name}`)
  const query = writing.cluster.spark.sql(
    `SELECT ${[...kept.map(({ name }) => identifier(name)), part].join(', ')} FROM (SELECT *, ${found.number} AS ${part} FROM (${all.join(' UNION ALL ')}) AS q) AS p ` +
      `DISTRIBUTE BY ${part} SORT BY ${part}, ${position}`,
    {},
    reads,
  )
  const parts = await writeQuery(writing, query, join(writing.folder, 'parts'), { partitionBy: [part] })
  return placed(writing, by, found, parts)
}

/** Gives each combination's files their places, when all of its rows are there. */
async function placed(
  writing: Writing,
  by: readonly string[],
  { partitions, numberOf }: Combinations,
  parts: readonly DataFile[],
): Promise<readonly DataFile[]> {
  const found = new Map<number, DataFile[]>()
  for (const file of parts) {
    const part = Number(/__millrace_part_*=(\d+)/.exec(file.path)?.[1])
    found.set(part, [...(found.get(part) ?? []), file])
  }
  const there = partitions.filter(({ values, rows }) => rows !== undefined || found.has(numberOf(values)))
  if (there.length !== found.size)
    throw new MillraceError(
      'MR_INTERNAL_BUG',
      `partitions by ${by.join(', ')}: Spark wrote ${found.size}, of which ${there.length} were expected`,
    )
  refuseValues(there, by)
  const written: DataFile[] = []
  for (const { values: partition, rows } of there) {
    const files = found.get(numberOf(partition)) ?? []
    const counted = files.reduce((sum, file) => sum + file.rows, 0)
    if (rows !== undefined && rows !== counted)
      throw new MillraceError(
        'MR_INTERNAL_BUG',
        `partition ${numberOf(partition)} has ${rows} rows; Spark wrote ${counted}`,
      )
    const folder = partitionFolder(partition, by)
    await mkdir(join(writing.folder, folder), { recursive: true })
    for (const [i, file] of files.entries()) {
      const path = join(folder, `part-${i}.parquet`)
      await settle(file.path, join(writing.folder, path))
      written.push({ path, rows: file.rows, partition })
    }
  }
  for (const name of await readdir(writing.folder))
    if (name.startsWith('parts-')) await rm(join(writing.folder, name), { recursive: true })
  return written
}
