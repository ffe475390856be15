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
import type { Source } from '../relation.js'
import { identifier, MISSING_WORDS, pathLiteral, reader } from '../sql/duckdb.js'
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
      return { source, schema: await session.use((connection) => parquetSchema(connection, source), signal) }
    case 'csv': {
      const found = await csvColumns(session, source, signal)
      const schema = await session.use((connection) => typesOf(connection, found.source, found.names), signal)
      return { source: found.source, schema }
    }
    case 'json':
      return session.use(async (connection) => {
        const names = await jsonColumns(connection, source)
        return { source, schema: await typesOf(connection, source, names) }
      }, signal)
  }
}

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
    const header = source.csv?.header ?? first?.source.csv?.header ?? (await hasHeader(session, top, signal))
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

/** A first record is a header if all of its values are text, and not data: none is a number, time or truth value. */
async function hasHeader(session: Session, top: readonly string[], signal?: AbortSignal): Promise<boolean> {
  if (top.every((value) => value.trim() === '')) return false
  const typed = CANDIDATES.map((type) => fits('v', type)).join(' OR ')
  const values = top.map((value) => `(${literal(value.trim())})`).join(', ')
  return session.use(async (connection) => {
    const reader = await connection.runAndReadAll(
      `SELECT count_if(coalesce(${typed}, FALSE)) FROM (VALUES ${values}) AS q(v)`,
    )
    return Number(reader.getRows()[0]?.[0] ?? 0) === 0
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
  const described = await connection.runAndReadAll(
    `DESCRIBE SELECT * FROM read_json(${paths}, format = 'auto', sample_size = -1, maximum_depth = 1, union_by_name = true)`,
  )
  const columns = described.getRows().map((row) => ({ name: String(row[0]), type: String(row[1]) }))
  const [only] = columns
  if (columns.length === 0) throw new MillraceError('MR_SOURCE_EMPTY', `${source.paths[0]} holds no objects`)
  if (columns.length === 1 && only?.name === 'json' && only.type === 'JSON') {
    const keys = await connection.runAndReadAll(
      `SELECT count_if(json_type(json) = 'OBJECT') FROM read_json_objects(${paths}, format = 'auto')`,
    )
    if (Number(keys.getRows()[0]?.[0] ?? 0) === 0)
      throw new MillraceError('MR_SOURCE_EMPTY', `${source.paths[0]} holds no objects with keys`)
  }
  return columns.map(({ name }) => name)
}

/** Two looks: one over the first rows rules types out, one over all rows proves what is left. */
async function typesOf(connection: DuckDBConnection, source: Source, names: readonly string[]): Promise<Schema> {
  const all = new Map(names.map((name) => [name, CANDIDATES as readonly Candidate[]]))
  const look = `(SELECT * FROM ${reader(source, names)} LIMIT ${FIRST_LOOK})`
  const first = await misfits(connection, look, all)
  const left = new Map(
    names.map((name) => [name, CANDIDATES.filter((type) => (first.get(name)?.misfits.get(type) ?? 0) === 0)]),
  )
  const second = await misfits(connection, reader(source, names), left)
  return names.map((name): Field => {
    const facts = second.get(name)
    const possible = (left.get(name) ?? []).filter((type) => facts?.misfits.get(type) === 0)
    return { name, type: facts === undefined || facts.values === 0 ? 'text' : decide(possible, facts.tooLarge) }
  })
}

function decide(possible: readonly Candidate[], tooLarge: boolean): ColumnType {
  const [narrowest] = possible
  if (narrowest === 'number' && tooLarge) return 'text'
  return narrowest ?? 'text'
}

interface Facts {
  /** Values that are neither blank nor a word for missing. */
  readonly values: number
  readonly misfits: ReadonlyMap<Candidate, number>
  /** All are whole, and at least one does not fit into 64 bits. */
  readonly tooLarge: boolean
}

async function misfits(
  connection: DuckDBConnection,
  from: string,
  candidates: ReadonlyMap<string, readonly Candidate[]>,
): Promise<ReadonlyMap<string, Facts>> {
  const columns = [...candidates]
  const words = ['', ...MISSING_WORDS].map((word) => `'${word}'`).join(', ')
  const parts = columns.flatMap(([name, types]) => {
    const v = `trim(${identifier(name)}, E' \\t\\n\\r\\f')`
    const isMissing = `(length(${v}) <= 4 AND list_contains([${words}], lower(${v})))`
    const wrong = (fitting: string): string =>
      `count_if(CASE WHEN ${identifier(name)} IS NULL OR ${fitting} THEN FALSE ELSE NOT ${isMissing} END)`
    return [
      // for a text column the count only makes the reader look at every byte
      types.length === 0 ? `count(${identifier(name)})` : wrong('FALSE'),
      types.includes('number') ? wrong(`coalesce(regexp_full_match(${v}, '-?(0|[1-9][0-9]*)'), FALSE)`) : '0',
      ...types.map((type) => wrong(`coalesce(${fits(v, type)}, FALSE)`)),
    ]
  })
  const reader = await connection.runAndReadAll(`SELECT ${parts.join(',\n')} FROM ${from}`)
  const row = reader.getRows()[0] ?? []
  let at = 0
  return new Map(
    columns.map(([name, types]) => {
      const values = Number(row[at++])
      const fractions = Number(row[at++])
      const found = new Map(types.map((type) => [type, Number(row[at++])]))
      return [name, { values, misfits: found, tooLarge: fractions === 0 && (found.get('integer') ?? 1) > 0 }]
    }),
  )
}

/** True if the trimmed text `v` is of the type; NULL counts as false. */
function fits(v: string, type: Candidate): string {
  switch (type) {
    case 'boolean':
      return `(length(${v}) BETWEEN 4 AND 5 AND list_contains(['true', 'false'], lower(${v})))`
    case 'integer':
      // round trip: no plus, no leading zero, no fraction, no exponent, no underscore
      return `(CAST(TRY_CAST(${v} AS BIGINT) AS VARCHAR) = ${v})`
    case 'number':
      return (
        `(isfinite(TRY_CAST(${v} AS DOUBLE)) AND NOT contains(${v}, '_') ` +
        `AND NOT (ltrim(${v}, '+-') BETWEEN '00' AND '09~'))`
      )
    case 'date':
      return `(CAST(TRY_CAST(${v} AS DATE) AS VARCHAR) = ${v})`
    case 'timestamp':
      return (
        `(length(${v}) >= 10 AND TRY_CAST(${v} AS TIMESTAMPTZ) IS NOT NULL AND regexp_full_match(${v}, ` +
        `'\\d{4}-\\d{2}-\\d{2}([T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?( ?(Z|z|UTC|[+-]\\d{2}(:?\\d{2})?))?)?'))`
      )
  }
}
