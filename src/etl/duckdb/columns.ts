/** The columns of each of a source's files: what a header, the keys of objects or a Parquet schema say. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { MillraceError } from '../../core/errors.js'
import { eachPart } from '../../core/memo.js'
import { packingOf } from '../compressed.js'
import { readHead, sniff } from '../csv-head.js'
import type { Source } from '../relation.js'
import { identifier, jsonObjects, PATH, reader } from '../sql/duckdb.js'
import { fits, MISSING_LIST, TEXT_TYPES } from './text-types.js'
import { parquetSchema, type StoredField } from './parquet-schema.js'
import type { Session } from './session.js'

export interface ColumnsOf {
  /** As given, with what was found of a CSV. */
  readonly source: Source
  /** By path, in the order of the paths: the columns in the file's own order; none for an empty file among others. */
  readonly files: ReadonlyMap<string, readonly string[]>
  /** By path, columns that a file need not have: keys that objects of one file have or have not. */
  readonly optional: ReadonlySet<string>
  /** Parquet: by path, the types that the file says. */
  readonly types?: ReadonlyMap<string, readonly StoredField[]>
}

/** What each file has. Throws MR_SOURCE_HEADER, MR_SOURCE_EMPTY, MR_SOURCE_ROW, MR_SOURCE_TYPE, naming the file. */
export async function columnsOf(session: Session, source: Source, signal?: AbortSignal): Promise<ColumnsOf> {
  switch (source.format) {
    case 'csv':
      return csvColumns(session, source, signal)
    case 'json':
      return session.use((connection) => jsonColumns(connection, source), signal)
    case 'parquet':
      return session.use((connection) => parquetColumns(connection, source), signal)
  }
}

/** Delimiter, quote and header, the same in all files; each file's own names. */
async function csvColumns(session: Session, source: Source, signal?: AbortSignal): Promise<ColumnsOf> {
  let csv = source.csv
  let columns: readonly string[] | undefined
  const files = new Map<string, readonly string[]>()
  const take = (path: string, top: readonly string[], header: boolean): void => {
    const names = header ? top.map((name, i) => (name.trim() === '' ? `column_${i + 1}` : name.trim())) : numbered(top)
    refuseRepeated(path, names)
    columns ??= names
    // without a header columns are known by their place
    files.set(path, header ? names : columns)
  }
  let at = 0
  for (; columns === undefined && at < source.paths.length; at++) {
    const path = source.paths[at] ?? ''
    const { records, delimiter, quote } = sniff(await readHead(path), csv)
    if (isBlank(records)) {
      // an empty file among others has no rows; alone it has no columns either
      if (source.paths.length > 1) continue
      throw new MillraceError('MR_SOURCE_EMPTY', `${path} is empty`)
    }
    const [top = [], ...rest] = records
    const header = csv?.header ?? (await hasHeader(session, top, rest, signal))
    csv = { delimiter, quote, header }
    take(path, top, header)
  }
  if (columns === undefined) throw new MillraceError('MR_SOURCE_EMPTY', `all files of ${source.paths[0]} are empty`)
  const left = source.paths.slice(at)
  for (const [i, top] of (await topRecords(session, source, left, csv)).entries())
    if (top !== null) take(left[i] ?? '', top, csv?.header ?? true)
  return { source: { ...source, csv: { ...csv, columns } }, files, optional: new Set() }
}

const isBlank = ([top = [], ...rest]: readonly (readonly string[])[]): boolean =>
  top.length === 0 || (top.length === 1 && top[0] === '' && rest.length === 0)

/** The first record of each of these files, null for an empty one; of files that were there before from the memo. */
async function topRecords(
  session: Session,
  { digests }: Source,
  paths: readonly string[],
  csv: Source['csv'],
): Promise<readonly (readonly string[] | null)[]> {
  const memo = digests === undefined ? undefined : session.memo
  const parts = paths.map((path) => `${digests?.[path] ?? path}${packingOf(path) ?? ''}`)
  const about = ['first record of a CSV file', 1, csv?.delimiter, csv?.quote, csv?.header]
  const { values } = await eachPart<readonly string[] | null>(memo, about, parts, async (missing, done) => {
    for (const index of missing) {
      const path = paths[index] ?? ''
      const { records } = sniff(await readHead(path), csv)
      const isSure = memo === undefined || (await memo.digest(path)).digest === digests?.[path]
      await done(index, isBlank(records) ? null : (records[0] ?? null), isSure)
    }
  })
  return values
}

const numbered = (record: readonly string[]): string[] => record.map((_, i) => `column_${i + 1}`)

/** Records below the first that are looked at to tell a header. */
const BELOW_HEADER = 100

/**
 * A first record is a header if none of its values is a number, time or truth value; or, where some are (a year, "N",
 * "1"), if at least as many others are text above a column of nothing but numbers, times or truth values.
 */
async function hasHeader(
  session: Session,
  top: readonly string[],
  rest: readonly (readonly string[])[],
  signal?: AbortSignal,
): Promise<boolean> {
  if (top.every((value) => value.trim() === '')) return false
  const below = rest.slice(0, BELOW_HEADER)
  const values = top.flatMap((first, i) =>
    [first, ...below.map((record) => record[i] ?? '')].map(
      (value, row) => `(${i}, ${row === 0 ? 'TRUE' : 'FALSE'}, ${literal(value.trim())})`,
    ),
  )
  const typed = `coalesce(${TEXT_TYPES.map((type) => fits('v', type)).join(' OR ')}, FALSE)`
  return session.use(async (connection) => {
    const reader = await connection.runAndReadAll(
      `SELECT count_if(top = 1), count_if(top = 0 AND values > 0 AND typed = values) FROM (
        SELECT count_if(first AND typed) AS top, count_if(NOT first AND typed) AS typed,
          count_if(NOT first AND NOT list_contains([${MISSING_LIST}], lower(v))) AS values,
          bool_or(first AND list_contains([${MISSING_LIST}], lower(v))) AS blank
        FROM (SELECT i, first, v, ${typed} AS typed FROM (VALUES ${values.join(', ')}) AS q(i, first, v)) GROUP BY i
      ) WHERE NOT blank`,
    )
    const [against = 0, evidence = 0] = (reader.getRows()[0] ?? []).map(Number)
    return against === 0 || evidence >= against
  }, signal)
}

const literal = (value: string): string => `'${value.replaceAll("'", "''").replaceAll('\0', '')}'`

function refuseRepeated(path: string, names: readonly string[]): void {
  const seen = new Map<string, string>()
  const repeated = new Set<string>()
  for (const name of names) {
    const before = seen.get(name.toLowerCase())
    if (before !== undefined) repeated.add(before === name ? name : `${before} and ${name}`)
    else seen.set(name.toLowerCase(), name)
  }
  if (repeated.size > 0)
    throw new MillraceError('MR_SOURCE_HEADER', `${path} has columns of the same name: ${[...repeated].join(', ')}`, {
      hint: 'rename them in the file; names are compared without regard to case',
      at: { file: path, line: 1, column: 1 },
    })
}

/** Keys of the objects of each file, in order of first appearance. */
async function jsonColumns(connection: DuckDBConnection, source: Source): Promise<ColumnsOf> {
  const from = jsonObjects(source)
  // not DESCRIBE: it renames keys that differ only in case, and takes numbers and lists for columns
  const found = await connection.runAndReadAll(
    `SELECT ${PATH}, k, count(*), min(r * 1000000 + i) FROM (
      SELECT ${PATH}, r, unnest(ks) AS k, unnest(range(len(ks))) AS i FROM (
        SELECT ${PATH}, row_number() OVER () AS r,
          CASE json_type(json) WHEN 'OBJECT' THEN json_keys(json) ELSE [NULL] END AS ks FROM ${from}
      ) AS objects
    ) AS keys GROUP BY ALL ORDER BY 4`,
  )
  const rows = found.getRows().map(([path, key, count]) => ({ path: String(path), key, count: Number(count) }))
  const other = rows.find(({ key }) => key === null)
  if (other !== undefined)
    throw new MillraceError('MR_SOURCE_ROW', `${other.path}: ${other.count} values are not objects`, {
      hint: 'each row must be an object: {"column": value, ...}',
    })
  if (rows.length === 0) throw new MillraceError('MR_SOURCE_EMPTY', `${source.paths[0]} holds no objects with keys`)
  const files = new Map<string, string[]>()
  for (const { path, key } of rows) files.set(path, [...(files.get(path) ?? []), String(key)])
  refuseRepeated(source.paths[0] ?? '', [...new Set(rows.map(({ key }) => String(key)))])
  const optional = new Set<string>()
  if (files.size > 1) {
    const counted = await connection.runAndReadAll(`SELECT ${PATH}, count(*) FROM ${from} GROUP BY ALL`)
    const total = new Map(counted.getRows().map(([path, count]) => [String(path), Number(count)]))
    for (const { path, key, count } of rows) if (count < (total.get(path) ?? 0)) optional.add(String(key))
  }
  const inOrder = new Map(source.paths.flatMap((path) => (files.has(path) ? [[path, files.get(path) ?? []]] : [])))
  return { source, files: inOrder, optional }
}

async function parquetColumns(connection: DuckDBConnection, source: Source): Promise<ColumnsOf> {
  const { hive: _, ...plain } = source
  const types = new Map<string, readonly StoredField[]>()
  for (const path of source.paths) types.set(path, await parquetSchema(connection, { ...plain, paths: [path] }))
  const files = new Map([...types].map(([path, schema]) => [path, schema.map(({ name }) => name)]))
  return { source, files, optional: new Set(), types }
}

/** For each of these columns whether the file has a value of it. */
export async function valuesOf(
  connection: DuckDBConnection,
  source: Source,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set()
  const counts = names.map((name) => `count(${identifier(name)})`).join(', ')
  const row = (await connection.runAndReadAll(`SELECT ${counts} FROM ${reader(source, names)}`)).getRows()[0] ?? []
  return new Set(names.filter((_, i) => Number(row[i]) > 0))
}
