/** DuckDB's SQL as tables (1.5). What its functions do otherwise than others was found by running them. */
import { type ColumnType, DUCKDB_TYPES } from '../../core/schema.js'
import { packingOf } from '../compressed.js'
import { folderValue } from '../hive.js'
import type { LiteralValue } from '../expr.js'
import { lacksRows, type Relation, type Source } from '../relation.js'
import type { SqlDialect, StoredType } from './dialect.js'

/** What `trim` takes away. */
export const BLANKS = `E' \\t\\n\\r\\f'`
/** From here on a list of texts or whole numbers is looked up by hash, not compared one by one. */
const LONG_LIST = 16
/** Whole numbers below this have the same text in DuckDB and in JavaScript. */
const LARGEST_WHOLE = 1e15
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
/** The largest double that still rounds to a finite single. */
const FLOAT_MAX = '3.4028235677973362e38'

const TYPES: Readonly<Record<StoredType, string>> = {
  ...DUCKDB_TYPES,
  float32: 'FLOAT',
  int32: 'INTEGER',
}

/** NUL ends a statement: it is put in by chr(0). */
export function textLiteral(value: string): string {
  const parts = value.split('\0').map((part) => `'${part.replaceAll("'", "''")}'`)
  return parts.length === 1 ? (parts[0] ?? "''") : `(${parts.join(' || chr(0) || ')})`
}

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function numberLiteral(value: number): string {
  if (Number.isFinite(value) && !Object.is(value, -0)) {
    const text = value.toExponential().replace('e+', 'e')
    return value < 0 ? `(${text})` : text
  }
  return `CAST('${Object.is(value, -0) ? '-0' : String(value)}' AS DOUBLE)`
}

export const duckdb: SqlDialect = {
  name: 'duckdb',
  types: TYPES,
  functions: {
    add: '($1 + $2)',
    sub: '($1 - $2)',
    mul: '($1 * $2)',
    div: '($1 / $2)',
    neg: '(-$1)',
    abs: 'abs($1)',
    ln: 'ln($1)',
    exp: 'exp($1)',
    sqrt: 'sqrt($1)',
    floor: 'floor($1)',
    least: 'least($*)',
    greatest: 'greatest($*)',
    int_div: '(($1 - ((($1 % $2) + $2) % $2)) // $2)',
    int_mod: '((($1 % $2) + $2) % $2)',
    eq: '($1 = $2)',
    ne: '($1 <> $2)',
    lt: '($1 < $2)',
    le: '($1 <= $2)',
    gt: '($1 > $2)',
    ge: '($1 >= $2)',
    and: '($* AND *)',
    or: '($* OR *)',
    not: '(NOT $1)',
    is_null: '($1 IS NULL)',
    is_nan: 'isnan($1)',
    coalesce: 'coalesce($*)',
    nullif: 'nullif($1, $2)',
    concat: '($* || *)',
    lower: `translate($1, '${UPPER}', '${UPPER.toLowerCase()}')`,
    trim: `trim($1, ${BLANKS})`,
    substr: 'substr($1, $2, $3)',
    md5: 'md5($1)',
    matches: 'regexp_matches($1, $2)',
    epoch_us: 'epoch_us($1)',
  },
  aggregates: {
    count: 'count($1)',
    count_if: 'count_if($1)',
    count_distinct: 'count(DISTINCT ($*))',
    sum: 'sum($1)',
    avg: 'avg($1)',
    min: 'min($1)',
    max: 'max($1)',
    stddev_samp: 'stddev_samp($1)',
    var_pop: 'var_pop($1)',
    quantile: 'quantile_cont($1, $2)',
  },
  windows: {
    row_number: 'row_number()',
    count: 'count($1)',
    sum: 'sum($1)',
    avg: 'avg($1)',
    min: 'min($1)',
    max: 'max($1)',
    lag: 'lag($1, $2)',
    exact_sum: 'sum(CAST(round($1 * $2) AS HUGEINT))',
  },
  rowNumber: '$1',
  anyOrder: '',
  integerSum: 'CAST($1 AS BIGINT)',
  exactSum: '(CAST($1 AS DOUBLE) / $2)',
  identifier,
  literal({ value, type }) {
    if (value === null) return `CAST(NULL AS ${TYPES[type]})`
    switch (type) {
      case 'number':
        return numberLiteral(Number(value))
      case 'integer':
        return `CAST(${BigInt(value)} AS BIGINT)`
      case 'boolean':
        return value === true || value === 'true' ? 'TRUE' : 'FALSE'
      case 'text':
        return textLiteral(String(value))
      case 'timestamp':
      case 'date': {
        const instant = typeof value === 'string' ? parsedTime(textLiteral(value)) : `make_timestamp(${BigInt(value)})`
        return `CAST(${instant} AS ${TYPES[type]})`
      }
    }
  },
  pattern: (re2) => re2,
  cast,
  position,
  contains(sql, of, values, type) {
    const isWhole = (one: LiteralValue): boolean => typeof one === 'bigint' || Math.abs(Number(one)) < LARGEST_WHOLE
    const areNumbers = type === 'integer' || type === 'number'
    const isHashed =
      type === 'text' || (areNumbers && values.every((one) => Number.isInteger(Number(one)) && isWhole(one)))
    if (values.length > LONG_LIST && isHashed) {
      const found = position(cast(sql, of, 'text', false), [...new Set(values.map(String))])
      return `CASE WHEN (${sql} IS NULL) THEN CAST(NULL AS BOOLEAN) ELSE (NOT (${found} IS NULL)) END`
    }
    // not IN: from ten values on DuckDB makes a join of it and the order of rows is lost
    const literals = values.map((value) => this.literal({ op: 'literal', value, type }))
    return `list_contains([${literals.join(', ')}], ${sql})`
  },
  scan: (relation) => scanSql(relation),
}

/** Text with or without zone, as UTC: a plain cast to TIMESTAMP drops the offset. */
const parsedTime = (sql: string, lenient = false): string =>
  `CAST(${lenient ? 'TRY_CAST' : 'CAST'}(${sql} AS TIMESTAMPTZ) AS TIMESTAMP)`

/** An ENUM's labels are literals, in which NUL cannot be written. */
function position(sql: string, values: readonly string[]): string {
  return values.some((value) => value.includes('\0'))
    ? `CAST(nullif(list_position([${values.map(textLiteral).join(', ')}], ${sql}), 0) - 1 AS BIGINT)`
    : `CAST(enum_code(TRY_CAST(${sql} AS ENUM(${values.map(enumLabel).join(', ')}))) AS BIGINT)`
}

function enumLabel(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}

function cast(sql: string, from: ColumnType, to: StoredType, lenient: boolean): string {
  const how = lenient ? 'TRY_CAST' : 'CAST'
  if (to === 'float32') {
    // a double too large for a single fails in DuckDB and is infinity in ONNX: infinity it is
    const double = from === 'number' ? sql : `${how}(${sql} AS DOUBLE)`
    return `CAST(CASE WHEN abs(${double}) >= ${FLOAT_MAX} THEN ${double} * CAST('Infinity' AS DOUBLE) ELSE ${double} END AS FLOAT)`
  }
  if (from === to) return sql
  if (from === 'number' && (to === 'integer' || to === 'int32')) return `${how}(floor(${sql}) AS ${TYPES[to]})`
  if (from === 'number' && to === 'text')
    return `CASE WHEN abs(${sql}) < 1e15 AND ${sql} = floor(${sql}) THEN CAST(CAST(${sql} AS BIGINT) AS VARCHAR) ELSE CAST(${sql} AS VARCHAR) END`
  if (from === 'text' && to === 'timestamp') return parsedTime(sql, lenient)
  return `${how}(${sql} AS ${TYPES[to]})`
}

/** Paths are globs to DuckDB: their special characters are put in brackets. */
export function pathLiteral(path: string): string {
  return textLiteral(path.replace(/[*?[]/g, '[$&]'))
}

/** Words that stand for "missing" in columns whose other values are numbers, times or truth values. */
export const MISSING_WORDS = ['na', 'n/a', 'nan', 'null', 'none', '?']

function scanSql(relation: Relation & { kind: 'scan' }): string {
  const { source, schema, rowNumber } = relation
  const fields = schema.filter(({ name }) => name !== rowNumber)
  const typed = fields.map(({ name, type }) => {
    const isText = source.format !== 'parquet' || source.hive?.columns.includes(name) === true
    const column = identifier(name)
    return `  ${source.plain === true ? `CAST(${column} AS ${TYPES[type]})` : readValue(column, type, isText)} AS ${column}`
  })
  if (rowNumber !== undefined) typed.push(`  ${rowPosition(relation)} AS ${identifier(rowNumber)}`)
  const from = reader(
    source,
    fields.map(({ name }) => name),
    needsPath(relation),
    new Map(fields.map(({ name, type }) => [name, type])),
  )
  const isThere = notDeleted(source)
  return `SELECT\n${typed.join(',\n')}\nFROM ${from}${isThere === undefined ? '' : `\nWHERE ${isThere}`}`
}

/** The column of a row's file. Not DuckDB's own `filename`: a file's column of that name would hide it. */
export const PATH = '__millrace_path'

/**
 * What gives the raw columns: a table function, or a query of it where folders give columns too.
 * @param types what columns become in each file before the files are put together, where they store them differently:
 *   of BIGINT beside FLOAT DuckDB makes FLOAT, which does not hold the former's values
 */
export function reader(
  source: Source,
  columns: readonly string[],
  withPath = false,
  types: ReadonlyMap<string, ColumnType> = new Map(),
): string {
  const { hive } = source
  if (hive === undefined) return readFiles(source, columns, withPath, types)
  const own = columns.filter((name) => !hive.columns.includes(name))
  const values = hive.columns.map((name) => {
    const branches = source.paths.map((path) => {
      const value = folderValue(source, path, name)
      return `WHEN ${textLiteral(path)} THEN ${value === null ? 'NULL' : textLiteral(value)}`
    })
    return `CAST(CASE ${PATH} ${branches.join(' ')} END AS VARCHAR) AS ${identifier(name)}`
  })
  return `(SELECT *, ${values.join(', ')} FROM ${readFiles(source, own, true, types)})`
}

/** Folders called `x=5` are never DuckDB's to read: it takes them from anywhere in a path, and over the files' columns. */
function readFiles(
  source: Source,
  columns: readonly string[],
  withPath: boolean,
  types: ReadonlyMap<string, ColumnType>,
): string {
  const common = `hive_partitioning = false${withPath ? `, filename = '${PATH}'` : ''}`
  const parts = alike(source)
  const read = (paths: readonly string[]): string => {
    const own = source.layouts?.[paths[0] ?? '']
    return source.format === 'parquet'
      ? `read_parquet(${pathList(paths)}, ${common}${paths.length > 1 ? ', union_by_name = true' : ''})`
      : readText(source, paths, own ?? columns, common)
  }
  if (source.layouts === undefined && source.stored === undefined && parts.length === 1) return read(source.paths)
  // each part with all columns, what its files lack as NULL: also a part alone can be read so
  const selects = parts.map((paths) => {
    const own = source.layouts?.[paths[0] ?? ''] ?? columns
    const stored = source.stored?.[paths[0] ?? '']
    const values = columns.map((name) => {
      if (!own.includes(name)) return `NULL AS ${identifier(name)}`
      const [type, storedAs] = [types.get(name), stored?.[name.toLowerCase()]]
      const value = type === undefined || storedAs === undefined ? identifier(name) : readStored(name, storedAs, type)
      return `${value} AS ${identifier(name)}`
    })
    return `SELECT ${[...values, ...(withPath ? [PATH] : [])].join(', ')} FROM ${read(paths)}`
  })
  return `(${selects.join(' UNION ALL ')})`
}

const pathList = (paths: readonly string[]): string => `[${paths.map(pathLiteral).join(', ')}]`

function readText(source: Source, paths: readonly string[], columns: readonly string[], common: string): string {
  // said, as DuckDB's own look at names minds their case
  const packed = packingOf(paths[0] ?? '')
  const options = `${packed === undefined ? '' : `compression = '${packed}', `}${common}`
  if (source.format === 'csv') {
    const { delimiter = ',', quote = '"', header = true } = source.csv ?? {}
    // all columns of the file, in its order, when it is known: a reader told fewer would shift them
    const names = source.layouts === undefined ? (source.csv?.columns ?? columns) : columns
    const types = names.map((name) => `${textLiteral(name)}: 'VARCHAR'`)
    return (
      `read_csv(${pathList(paths)}, auto_detect = false, header = ${header}, delim = ${textLiteral(delimiter)}, ` +
      `quote = ${textLiteral(quote)}, escape = ${textLiteral(quote)}, strict_mode = true, null_padding = false, ` +
      `${options}, columns = {${types.join(', ')}})`
    )
  }
  // at least one is needed, also where only folders' columns are wanted
  const names = columns.length === 0 ? ['__none'] : columns
  const types = names.map((name) => `${textLiteral(name)}: 'VARCHAR'`)
  return `read_json(${pathList(paths)}, format = 'auto', records = true, ${options}, columns = {${types.join(', ')}})`
}

/** The objects of JSON files as they stand: a table function or a query with the columns `json` and PATH. */
export function jsonObjects(source: Source): string {
  const parts = alike(source).map((paths) => {
    const packed = packingOf(paths[0] ?? '')
    const options = `${packed === undefined ? '' : `, compression = '${packed}'`}, filename = '${PATH}'`
    return `read_json_objects(${pathList(paths)}, format = 'auto'${options})`
  })
  return parts.length === 1 ? (parts[0] ?? '') : `(${parts.map((part) => `SELECT * FROM ${part}`).join(' UNION ALL ')})`
}

/** The files in their order, cut where one follows that must be read otherwise. */
function alike(source: Source): readonly (readonly string[])[] {
  const parts: string[][] = []
  let last: unknown
  for (const path of source.paths) {
    const packed = source.format === 'parquet' ? undefined : packingOf(path)
    const stored = source.stored?.[path]
    const how = JSON.stringify([packed, source.layouts?.[path], stored && Object.entries(stored).sort()])
    if (how !== last) parts.push([])
    parts.at(-1)?.push(path)
    last = how
  }
  return parts
}

/** A raw column as the type that the schema says; what is missing, NaN and '' too, as NULL. */
function readValue(column: string, type: ColumnType, isText: boolean): string {
  if (!isText) {
    switch (type) {
      case 'number':
        return `nullif(CAST(${column} AS DOUBLE), CAST('NaN' AS DOUBLE))`
      case 'text':
        return `nullif(CAST(${column} AS VARCHAR), '')`
      default:
        return `CAST(${column} AS ${TYPES[type]})`
    }
  }
  if (type === 'text') return `nullif(${column}, '')`
  // as it stands first, which is nearly always enough; trimmed and without words for "missing" only where that fails
  const trimmed = `trim(${column}, ${BLANKS})`
  const words = ['', ...MISSING_WORDS].map((word) => `'${word}'`).join(', ')
  const present = `CASE WHEN NOT list_contains([${words}], lower(${trimmed})) THEN ${trimmed} END`
  if (type === 'timestamp') return `coalesce(${parsedTime(column, true)}, ${parsedTime(present)})`
  const value = `coalesce(TRY_CAST(${column} AS ${TYPES[type]}), CAST(${present} AS ${TYPES[type]}))`
  return type === 'number' ? `nullif(${value}, CAST('NaN' AS DOUBLE))` : value
}

/** Of one file. A type that DuckDB casts to none of another kind may yet hold nothing but NULL. */
function readStored(name: string, stored: string, type: ColumnType): string {
  const isTime = /^(TIMESTAMP|DATE)/.test(stored)
  const isOther = type !== 'text' && stored !== 'VARCHAR' && isTime !== (type === 'timestamp' || type === 'date')
  return readValue(isOther ? `CAST(${identifier(name)} AS VARCHAR)` : identifier(name), type, false)
}

/** True if a row's position is that in its file, after the rows of the files before, or tells whether it is left out. */
function needsPath({ source, rowNumber, rowsBefore }: Relation & { kind: 'scan' }): boolean {
  const isPlaced = rowNumber !== undefined && rowsBefore !== undefined
  return source.format === 'parquet' && source.paths.length > 1 && (isPlaced || lacksRows(source))
}

/**
 * True for the rows that are not left out; undefined where all are there. All files' bits are one constant, which DuckDB
 * decodes once: a row costs a look at one bit (a list of constants it would copy for each row, and a CASE of a thousand
 * files would be walked through for each vector).
 */
function notDeleted({ paths, deleted = {} }: Source): string | undefined {
  const some = paths.filter((path) => deleted[path] !== undefined)
  const bytes = some.map((path) => deleted[path]?.bits ?? new Uint8Array())
  if (some.length === 0) return undefined
  const bits = `CAST(from_base64(${textLiteral(Buffer.concat(bytes).toString('base64'))}) AS BIT)`
  const place = paths.length === 1 ? 'file_row_number' : placeFrom(some, firsts(bytes.map(({ length }) => length * 8)))
  // NULL in files that lack no row
  return `get_bit(${bits}, CAST(${place} AS INTEGER)) IS DISTINCT FROM 1`
}

/** A row's place in its file, after what comes before the file. */
function placeFrom(paths: readonly string[], before: readonly number[]): string {
  return `file_row_number + list_extract([${before.join(', ')}], 1 + ${duckdb.position(PATH, paths)})`
}

/** Sums of all that stand before each. */
function firsts(sizes: readonly number[]): readonly number[] {
  let sum = 0
  return sizes.map((size) => (sum += size) - size)
}

/** 0-based position in the whole source. */
function rowPosition(relation: Relation & { kind: 'scan' }): string {
  const { source, rowsBefore } = relation
  const isPlain =
    source.format === 'parquet' &&
    source.hive === undefined &&
    source.layouts === undefined &&
    source.stored === undefined
  if (!isPlain || (source.paths.length > 1 && rowsBefore === undefined))
    return 'CAST(row_number() OVER () - 1 AS BIGINT)'
  if (source.paths.length === 1)
    return rowsBefore?.[0] ? `CAST(file_row_number + ${rowsBefore[0]} AS BIGINT)` : 'file_row_number'
  return `CAST(${placeFrom(
    source.paths,
    source.paths.map((_, i) => rowsBefore?.[i] ?? 0),
  )} AS BIGINT)`
}
