/**
 * A table as one folder for each value of some columns, each with its rows in the table's order: the rows in order, then
 * one shuffle that brings a value's rows together, sorted by their places.
 */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import { partitionFolder, refuseValues } from '../duckdb/partitions.js'
import { aggregate, cast, col, type Named } from '../expr.js'
import { aggregated, scan, sort, withColumns, type Relation } from '../relation.js'
import { identifier } from '../sql/spark.js'
import { POSITION, spark } from '../sql/spark-scan.js'
import type { SparkRead } from './connect/plan.js'
import { rowsOf } from './query.js'
import { pattern } from './reads.js'
import { type DataFile, type Writing, settle, writeOrdered, writeQuery } from './write.js'

/** A column of whole numbers, as Spark makes another text of a partition's text, and sorts anew for it. */
const PART = '__millrace_part'

/** Files relative to the folder: one below `column=value`, in the order of the values. */
export async function writePartitions(
  writing: Writing,
  relation: Relation,
  by: readonly string[],
): Promise<readonly DataFile[]> {
  const { cluster, folder, signal } = writing
  const keys = keyNames(relation, by)
  const keyed = withColumns(
    relation,
    by.map((name, i): Named => ({ name: keys[i] ?? name, expr: cast(col(name), 'text') })),
  )
  const inOrder = join(folder, 'in-order')
  await mkdir(inOrder)
  const files = await writeOrdered({ ...writing, folder: inOrder }, keyed)
  const paths = files.map(({ path }) => join(inOrder, path))
  const stored = scan(
    { format: 'parquet', paths, plain: true },
    keys.map((name) => ({ name, type: 'text' as const })),
  )
  const groups = sort(
    aggregated(
      stored,
      keys.map((name) => ({ name, expr: col(name) })),
      [{ name: '#rows', expr: aggregate('count', []) }],
    ),
    keys.map((name) => ({ expr: col(name), nulls: 'last' })),
  )
  const values: (readonly unknown[])[] = []
  for await (const row of rowsOf(cluster, groups, signal)) values.push(row)
  refuseValues(values, by)
  const written = values.length === 0 ? [] : await brought(writing, relation, by, keys, values, files, inOrder)
  await rm(inOrder, { recursive: true })
  return written
}

function keyNames({ schema }: Relation, by: readonly string[]): readonly string[] {
  const taken = new Set(schema.map(({ name }) => name.toLowerCase()))
  let stem = '#key'
  while ([...taken].some((name) => name.startsWith(stem))) stem += '_'
  return by.map((_, i) => `${stem}${i}`)
}

async function brought(
  writing: Writing,
  { schema }: Relation,
  by: readonly string[],
  keys: readonly string[],
  values: readonly (readonly unknown[])[],
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
  // for each key its values, and for a row the number of its combination, written in digits of so many values
  const lists = keys.map((_, i) => [...new Set(values.flatMap((row) => (typeof row[i] === 'string' ? [row[i]] : [])))])
  const digit = (i: number): string =>
    `coalesce(${spark.position(identifier(keys[i] ?? ''), lists[i] ?? [])}, ${lists[i]?.length ?? 0}L)`
  const number = keys.reduce(
    (sql, _, i) => (i === 0 ? digit(0) : `(${sql} * ${(lists[i]?.length ?? 0) + 1}L + ${digit(i)})`),
    '',
  )
  const all = Object.keys(reads).map((name) => `SELECT * FROM ${name}`)
  const kept = schema.filter(({ name }) => !by.includes(name)).map(({ name }) => identifier(name))
  const query = writing.cluster.spark.sql(
    `SELECT ${[...kept, PART].join(', ')} FROM (SELECT *, ${number} AS ${PART} FROM (${all.join(' UNION ALL ')}) AS q) AS p ` +
      `DISTRIBUTE BY ${PART} SORT BY ${PART}, ${POSITION}`,
    {},
    reads,
  )
  const parts = await writeQuery(writing, query, join(writing.folder, 'parts'), { partitionBy: [PART] })
  const found = new Map(parts.map((file) => [Number(/__millrace_part=(\d+)/.exec(file.path)?.[1]), file]))
  const written: DataFile[] = []
  for (const row of values) {
    const index = keys.reduce((sum, _, i) => {
      const [list, value] = [lists[i] ?? [], row[i]]
      return sum * (list.length + 1) + (typeof value === 'string' ? list.indexOf(value) : list.length)
    }, 0)
    const file = found.get(index)
    const rows = Number(row[keys.length])
    if (file?.rows !== rows || parts.length !== values.length)
      throw new MillraceError(
        'MR_INTERNAL_BUG',
        `partition ${index} has ${rows} rows; Spark wrote ${file?.rows ?? 'none'}, in ${parts.length} files for ${values.length}`,
      )
    const path = join(partitionFolder(row, by), 'part-0.parquet')
    await mkdir(join(writing.folder, partitionFolder(row, by)), { recursive: true })
    await settle(file.path, join(writing.folder, path))
    written.push({ path, rows, partition: by.map((_, i) => (row[i] as string | null | undefined) ?? null) })
  }
  for (const name of await readdir(writing.folder))
    if (name.startsWith('parts-')) await rm(join(writing.folder, name), { recursive: true })
  return written
}
