/**
 * Types of columns from all of their values, exactly. What a text is:
 *
 * - blank (only spaces) is missing, and so are `NA N/A NaN null None ?` (any case) where the other values have a type
 * - integer: digits with at most a minus, no leading zero, within 64 bits; one value too large makes the column text
 *   (as a number it would lose digits), unless it also holds fractions
 * - number: also with point or exponent; words for infinity are not numbers; leading zeros make text (codes)
 * - boolean: true, false (any case); date: 2024-02-29; timestamp: a date and a time, with or without zone
 * - text: everything else, and columns without any value
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { MillraceError } from '../../core/errors.js'
import type { ColumnType, Field, Schema } from '../../core/schema.js'
import { readHead, sniff } from '../csv-head.js'
import { withoutOwn } from '../hive.js'
import type { Source } from '../relation.js'
import { BLANKS, identifier, MISSING_WORDS, pathLiteral, reader } from '../sql/duckdb.js'
import { parquetSchema } from './parquet-schema.js'
import type { Session } from './session.js'

/** Types that a text can be found to have, the narrower first. */
const CANDIDATES = ['boolean', 'integer', 'number', 'date', 'timestamp'] as const
type Candidate = (typeof CANDIDATES)[number]

/** Rows of the first look, which only rules types out; the second one is over all rows. */
const FIRST_LOOK = 10_000

/** See `Engine.inferSchema`. */
export async function inferSchema(
  session: Session,
  source: Source,
  signal?: AbortSignal,
): Promise<{ readonly source: Source; readonly schema: Schema }> {
  switch (source.format) {
    case 'parquet':
      return session.use(async (connection) => {
        const files = await parquetSchema(connection, source)
        const told = withoutOwn(source, namesOf(files))
        return { source: told, schema: [...files, ...(await typesOf(connection, told, told.hive?.columns ?? []))] }
      }, signal)
    case 'csv': {
      const found = await csvColumns(session, source, signal)
      const told = withoutOwn(found.source, found.names)
      const names = [...found.names, ...(told.hive?.columns ?? [])]
      return { source: told, schema: await session.use((connection) => typesOf(connection, told, names), signal) }
    }
    case 'json':
      return session.use(async (connection) => {
        const files = await jsonColumns(connection, source)
        const told = withoutOwn(source, files)
        const names = [...files, ...(told.hive?.columns ?? [])]
        return { source: told, schema: await typesOf(connection, told, names) }
      }, signal)
  }
}

const namesOf = (schema: Schema): readonly string[] => schema.map(({ name }) => name)

/** Delimiter, quote, header and names, the same in all files. */
async function csvColumns(
  session: Session,
  source: Source,
  signal?: AbortSignal,
): Promise<{ source: Source; names: readonly string[] }> {
  let first: { source: Source; names: readonly string[] } | undefined
  for (const path of source.paths) {
    const shape = sniff(await readHead(path), { ...first?.source.csv, ...source.csv })
    const [top = [], ...rest] = shape.records
    if (shape.records.length === 0 || (top.length === 1 && top[0] === '' && rest.length === 0)) {
      // an empty file among others has no rows; alone it has no columns either
      if (source.paths.length > 1) continue
      throw new MillraceError('MR_SOURCE_EMPTY', `${path} is empty`)
    }
    const header = source.csv?.header ?? first?.source.csv?.header ?? (await hasHeader(session, top, rest, signal))
    const names = header ? top.map((name, i) => (name.trim() === '' ? `column_${i + 1}` : name.trim())) : numbered(top)
    refuseRepeated(path, names)
    if (first === undefined) {
      const csv = { delimiter: shape.delimiter, quote: shape.quote, header, columns: names }
      first = { source: { ...source, csv }, names }
    } else if (header && names.join('\0') !== first.names.join('\0'))
      throw new MillraceError(
        'MR_SOURCE_HEADER',
        `${path} has other columns than ${source.paths[0]}: ${names.join(', ')} instead of ${first.names.join(', ')}`,
        { at: { file: path, line: 1, column: 1 } },
      )
  }
  if (first === undefined) throw new MillraceError('MR_SOURCE_EMPTY', `all files of ${source.paths[0]} are empty`)
  return { source: { ...first.source, paths: source.paths }, names: first.names }
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
  const typed = `coalesce(${CANDIDATES.map((type) => fits('v', type)).join(' OR ')}, FALSE)`
  return session.use(async (connection) => {
    const reader = await connection.runAndReadAll(
      `SELECT count_if(top = 1), count_if(top = 0 AND values > 0 AND typed = values) FROM (
        SELECT count_if(first AND typed) AS top, count_if(NOT first AND typed) AS typed,
          count_if(NOT first AND NOT list_contains([${missingWords}], lower(v))) AS values,
          bool_or(first AND list_contains([${missingWords}], lower(v))) AS blank
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

/** Keys of all objects, in order of first appearance. */
async function jsonColumns(connection: DuckDBConnection, source: Source): Promise<readonly string[]> {
  const paths = `[${source.paths.map(pathLiteral).join(', ')}]`
  // not DESCRIBE: it renames keys that differ only in case, and takes numbers and lists for columns
  const reader = await connection.runAndReadAll(
    `SELECT k, count_if(k IS NULL) FROM (
      SELECT r, unnest(ks) AS k, unnest(range(len(ks))) AS i FROM (
        SELECT row_number() OVER () AS r, CASE json_type(json) WHEN 'OBJECT' THEN json_keys(json) ELSE [NULL] END AS ks
        FROM read_json_objects(${paths}, format = 'auto')
      ) AS objects
    ) AS keys GROUP BY k ORDER BY min(r * 1000000 + i)`,
  )
  const rows = reader.getRows()
  const others = rows.find((row) => row[0] === null)
  if (others !== undefined)
    throw new MillraceError('MR_SOURCE_ROW', `${source.paths[0]}: ${Number(others[1])} values are not objects`, {
      hint: 'each row must be an object: {"column": value, ...}',
    })
  const names = rows.map((row) => String(row[0]))
  if (names.length === 0) throw new MillraceError('MR_SOURCE_EMPTY', `${source.paths[0]} holds no objects with keys`)
  refuseRepeated(source.paths[0] ?? '', names)
  return names
}

/**
 * A look at the first rows rules types out; then passes over all rows prove the narrowest type that is left, most often
 * in one pass. Values are tested as they stand, and trimmed only where that fails: most have no blanks around them.
 */
async function typesOf(connection: DuckDBConnection, source: Source, names: readonly string[]): Promise<Schema> {
  if (names.length === 0) return []
  const look = `(SELECT * FROM ${reader(source, names)} LIMIT ${FIRST_LOOK})`
  const first = await misfits(
    connection,
    look,
    names.map((name) => ({ name, types: CANDIDATES, count: true })),
  )
  const open = new Map(
    names.map((name) => [name, CANDIDATES.filter((type) => first.get(name)?.misfits.get(type) === 0)]),
  )
  const found = new Map<string, ColumnType>(names.map((name) => [name, 'text']))
  const empty = new Set(names.filter((name) => first.get(name)?.values === 0))
  for (let pass = 0; pass === 0 || open.size > 0; pass++) {
    const tests = [...open].map(([name, types]) => ({ name, types: types.slice(0, 1), count: empty.has(name) }))
    // the first pass reads every byte of every column, also of those that can only be text
    const facts = await misfits(connection, reader(source, names), tests)
    for (const [name, types] of open) {
      const [narrowest, ...wider] = types
      const column = facts.get(name)
      if (narrowest === undefined || column?.values === 0) open.delete(name)
      else if (column?.misfits.get(narrowest) === 0) {
        found.set(name, narrowest)
        open.delete(name)
      } else open.set(name, wider)
    }
  }
  const numbers = names.filter((name) => found.get(name) === 'number')
  for (const name of await wholeColumns(connection, source, names, numbers)) found.set(name, 'text')
  return names.map((name): Field => ({ name, type: found.get(name) ?? 'text' }))
}

/** Of these number columns those whose values are all whole: they were no integers because one is too large. */
async function wholeColumns(
  connection: DuckDBConnection,
  source: Source,
  names: readonly string[],
  numbers: readonly string[],
): Promise<readonly string[]> {
  let left = numbers
  for (const from of [`(SELECT * FROM ${reader(source, names)} LIMIT ${FIRST_LOOK})`, reader(source, names)]) {
    if (left.length === 0) break
    const parts = left.map((name) => misfitCount(name, (v) => `regexp_full_match(${v}, '-?(0|[1-9][0-9]*)')`))
    const row = (await connection.runAndReadAll(`SELECT ${parts.join(', ')} FROM ${from}`)).getRows()[0] ?? []
    left = left.filter((_, i) => Number(row[i]) === 0)
  }
  return left
}

interface Test {
  readonly name: string
  readonly types: readonly Candidate[]
  /** Count values too. */
  readonly count: boolean
}

interface Facts {
  /** Values that are neither blank nor a word for missing, if they were counted. */
  readonly values: number | undefined
  readonly misfits: ReadonlyMap<Candidate, number>
}

async function misfits(
  connection: DuckDBConnection,
  from: string,
  tests: readonly Test[],
): Promise<ReadonlyMap<string, Facts>> {
  const parts = tests.flatMap(({ name, types, count }) => [
    count ? misfitCount(name, () => 'FALSE') : `count(${identifier(name)})`,
    ...types.map((type) => misfitCount(name, (v) => fits(v, type))),
  ])
  const reader = await connection.runAndReadAll(`SELECT ${parts.join(',\n')} FROM ${from}`)
  const row = reader.getRows()[0] ?? []
  let at = 0
  return new Map(
    tests.map(({ name, types, count }) => {
      const values = Number(row[at++])
      const found = new Map(types.map((type) => [type, Number(row[at++])]))
      return [name, { values: count ? values : undefined, misfits: found }]
    }),
  )
}

/** Counts values that do not fit, trimmed or not, and are not words for "missing". */
function misfitCount(name: string, fitting: (v: string) => string): string {
  const raw = identifier(name)
  const v = `trim(${raw}, ${BLANKS})`
  const isMissing = `(length(${v}) <= 4 AND list_contains([${missingWords}], lower(${v})))`
  return (
    `count_if(CASE WHEN ${raw} IS NULL THEN FALSE WHEN ${fitting(raw)} THEN FALSE ` +
    `WHEN ${isMissing} THEN FALSE WHEN ${fitting(v)} THEN FALSE ELSE TRUE END)`
  )
}

const missingWords = ['', ...MISSING_WORDS].map((word) => `'${word}'`).join(', ')

/** True if the text `v` is of the type; NULL or false if it is not. */
function fits(v: string, type: Candidate): string {
  switch (type) {
    case 'boolean':
      return `(length(${v}) BETWEEN 4 AND 5 AND list_contains(['true', 'false'], lower(${v})))`
    case 'integer':
      // round trip: no plus, no leading zero, no fraction, no exponent, no underscore
      return `(CAST(TRY_CAST(${v} AS BIGINT) AS VARCHAR) = ${v})`
    case 'number':
      // the cast lets blanks, underscores and leading zeros pass
      return (
        `(isfinite(TRY_CAST(${v} AS DOUBLE)) AND ${v} >= '!' AND NOT contains(${v}, '_') ` +
        `AND NOT (${['', '-', '+'].map((sign) => `${v} BETWEEN '${sign}00' AND '${sign}09~'`).join(' OR ')}))`
      )
    case 'date':
      return `(CAST(TRY_CAST(${v} AS DATE) AS VARCHAR) = ${v})`
    case 'timestamp':
      return (
        `(length(${v}) >= 10 AND TRY_CAST(${v} AS TIMESTAMPTZ) IS NOT NULL AND regexp_full_match(${v}, ` +
        `'\\d{4}-\\d{2}-\\d{2}([T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?( ?(Z|UTC|[+-]\\d{2}(:?\\d{2})?))?)?'))`
      )
  }
}
