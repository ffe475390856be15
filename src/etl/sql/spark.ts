/**
 * Spark's SQL as tables (4.0 and later, ANSI mode, session time zone UTC). What its functions do otherwise than DuckDB's
 * was found by running both; test/engines compares them on random rows and expressions.
 */
import type { ColumnType } from '../../core/schema.js'
import type { SqlDialect, StoredType } from './dialect.js'
import { numberLiteral } from './duckdb.js'
import { javaPattern } from './java-pattern.js'

export const SPARK_TYPES: Readonly<Record<StoredType, string>> = {
  number: 'DOUBLE',
  integer: 'BIGINT',
  boolean: 'BOOLEAN',
  text: 'STRING',
  // an instant, as files are read: the session's zone is UTC, so that it is the same, and nothing has to be cast
  timestamp: 'TIMESTAMP',
  date: 'DATE',
  float32: 'FLOAT',
  int32: 'INT',
}
const TYPES = SPARK_TYPES

const BLANKS = String.raw`' \t\n\r\u000C'`
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
/** More texts than these are looked up by hash. */
const SHORT_LIST = 16
const TWO_63 = '9223372036854775808'
const TWO_64 = '18446744073709551616'

/** Escaped where Spark would read on: backslashes, `${name}` (which it replaces by a setting), line breaks and NUL. */
export function textLiteral(value: string): string {
  const escaped = value.replace(/[\\$\x00-\x1f\x7f]/g, (char) =>
    char === '\\' ? '\\\\' : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `'${escaped.replaceAll("'", "''")}'`
}

/** In back-quotes, which need no setting of the session. */
export function identifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

/**
 * The dialect. Spark's SQL cannot say how files are read: reads have names, which the engine makes.
 * @param scan the SELECT over a scan's read
 */
export const sparkDialect = (scan: SqlDialect['scan']): SqlDialect => ({
  name: 'spark',
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
    floor,
    least: 'least($*)',
    greatest: 'greatest($*)',
    int_div: '(($1 - ((($1 % $2) + $2) % $2)) div $2)',
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
    trim: `btrim($1, ${BLANKS})`,
    substr: 'substr($1, CAST($2 AS INT), CAST($3 AS INT))',
    md5: 'md5($1)',
    matches: '($1 RLIKE $2)',
    epoch_us: 'unix_micros($1)',
  },
  aggregates: {
    count: 'count($1)',
    // of nothing NULL, as DuckDB's
    count_if: 'sum(CAST($1 AS BIGINT))',
    count_distinct: 'count(DISTINCT ($*))',
    sum: 'sum($1)',
    avg: 'avg($1)',
    min: 'min($1)',
    max: 'max($1)',
    stddev_samp: 'stddev_samp($1)',
    var_pop: 'var_pop($1)',
    quantile: 'percentile($1, $2)',
  },
  windows: {
    row_number: 'row_number()',
    count: 'count($1)',
    sum: 'sum($1)',
    avg: 'avg($1)',
    min: 'min($1)',
    max: 'max($1)',
    lag: 'lag($1, CAST($2 AS INT))',
    exact_sum: `sum(${exactly('($1 * $2)')})`,
  },
  rowNumber: 'CAST($1 AS BIGINT)',
  anyOrder: 'ORDER BY NULL',
  integerSum: '$1',
  exactSum: `(transform(array($1), s -> ${nearest('s')})[0] / $2)`,
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
        const instant =
          typeof value === 'string' ? `CAST(${textLiteral(value)} AS TIMESTAMP)` : `timestamp_micros(${BigInt(value)})`
        return type === 'timestamp' ? instant : `CAST(${instant} AS ${TYPES[type]})`
      }
    }
  },
  pattern: javaPattern,
  cast,
  position,
  contains(sql, _, values, type) {
    return `(${sql} IN (${values.map((value) => this.literal({ op: 'literal', value, type })).join(', ')}))`
  },
  scan,
})

/** Longer operands are named once: a text that repeats what repeats grows by the power, and Spark's parser with it. */
const SHORT_OPERAND = 120

/** What `body` makes of an operand that it names several times. */
function once(sql: string, body: (name: string) => string): string {
  return sql.length <= SHORT_OPERAND ? body(sql) : `transform(array(${sql}), v -> ${body('v')})[0]`
}

/** Of doubles, as a double: Spark's own gives BIGINT, which holds neither 1e300 nor NaN. */
function floor(sql = ''): string {
  return once(sql, (x) => `(rint(${x}) - CAST(CAST(rint(${x}) > ${x} AS INT) AS DOUBLE))`)
}

/**
 * A double below 2^126, rounded half away from zero, as DECIMAL(38, 0) with all its bits: a plain cast takes the decimal
 * text's 17 digits. Both halves are exact: a quotient by a power of two, cut off, and the rest.
 */
function exactly(sql: string): string {
  const half = (whole: string): string => `CAST(${whole} AS DECIMAL(19, 0))`
  const high = `CAST(${sql} / ${TWO_63}e0 AS BIGINT)`
  const low = `CAST(round(${sql} % ${TWO_63}e0) AS BIGINT)`
  return `${half(high)} * ${half(TWO_63)} + ${half(low)}`
}

/** A DECIMAL(38, 0) as the double that DuckDB makes of a 128-bit integer: the sum of its rounded 64-bit halves. */
function nearest(s: string): string {
  const lower = `pmod(${s}, ${TWO_64})`
  const upper = `CAST((${s} - ${lower}) div ${TWO_64} AS DOUBLE)`
  return (
    `CASE WHEN ${s} < 0 AND ${s} >= -${TWO_64} THEN -CAST(-${s} - 1 AS DOUBLE) - 1e0 ` +
    `ELSE CAST(${lower} AS DOUBLE) + ${upper} * ${TWO_64}e0 END`
  )
}

const SPACE = String.raw`[ \t\n\x0B\f\r]*`
const DAY = String.raw`[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}`
const ZONE = String.raw`(Z|[+-][0-9]{2}(:?[0-9]{2})?)?`
/**
 * What texts must look like to become values of a type: of what Spark also takes only what DuckDB does. What DuckDB
 * alone takes is no value here: 0x10, 1_000, +-5, 24:00:00, 2024/01/01, years of three digits or BC, `epoch`, `infinity` as a time.
 */
const FORMS: Readonly<Record<'decimal' | 'number' | 'boolean' | 'timestamp' | 'date', string>> = {
  decimal: String.raw`\A${SPACE}[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?${SPACE}\z`,
  number: String.raw`\A${SPACE}([+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))|(?i:nan))${SPACE}\z`,
  boolean: String.raw`\A(?i:t|true|y|yes|1|f|false|n|no|0)\z`,
  timestamp: String.raw`\A${DAY}([T ][0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]*)?${ZONE})?)?\z`,
  date: String.raw`\A${SPACE}${DAY}(?![0-9])`,
}

/** The text where it has the form; else NULL, or for a strict cast a text that no cast takes and that says why. */
function formed(sql: string, form: keyof typeof FORMS, lenient: boolean): string {
  const otherwise = lenient ? '' : ` ELSE ${sql} || ' is no ${form}'`
  return `CASE WHEN ${sql} RLIKE ${textLiteral(FORMS[form])} THEN ${sql}${otherwise} END`
}

function cast(sql: string, from: ColumnType, to: StoredType, lenient: boolean): string {
  const how = lenient ? 'try_cast' : 'CAST'
  if (from === to) return sql
  if (to === 'float32') {
    const double = from === 'number' ? sql : cast(sql, from, 'number', lenient)
    return `CAST(${double} AS FLOAT)`
  }
  if (from === 'text') return ofText(sql, to, lenient)
  if (from === 'number' && (to === 'integer' || to === 'int32')) {
    // 2^63 is one too many, which Spark lets pass
    const within = to === 'int32' ? sql : once(sql, (x) => `if(${x} >= ${TWO_63}e0, ${numberLiteral(NaN)}, ${x})`)
    return `${how}(${floor(within)} AS ${TYPES[to]})`
  }
  if (from === 'number' && to === 'text') return numberText(sql)
  // a plain cast goes through a calendar
  if (from === 'date' && to === 'timestamp') return `timestamp_micros(unix_date(${sql}) * 86400000000L)`
  return `${how}(${sql} AS ${TYPES[to]})`
}

function ofText(sql: string, to: Exclude<StoredType, 'float32'>, lenient: boolean): string {
  const how = lenient ? 'try_cast' : 'CAST'
  switch (to) {
    case 'text':
      return sql
    case 'integer':
    case 'int32':
      // rounded half away from zero, as DuckDB does with texts
      return `${how}(round(${how}(${formed(sql, 'decimal', lenient)} AS DECIMAL(38, 18)), 0) AS ${TYPES[to]})`
    case 'date': {
      const day = `regexp_extract(${sql}, ${textLiteral(DAY)}, 0)`
      return `${how}(CASE WHEN ${sql} RLIKE ${textLiteral(FORMS.date)} THEN ${day}${lenient ? '' : ` ELSE ${sql} || ' is no date'`} END AS DATE)`
    }
    default:
      return `${how}(${formed(sql, to, lenient)} AS ${TYPES[to]})`
  }
}

/**
 * DuckDB's text of a double: digits from 1e-4 to 1e16, else `1.5e+16`, `1e-05`. Spark writes 1.5E16 and 1.0E-5, with the
 * digits that Java finds: the shortest from Java 19 on, before that not always where numbers are very large or small.
 */
function numberText(sql: string): string {
  const whole = `CAST(CAST(${sql} AS BIGINT) AS STRING)`
  const text = `CAST(${sql} AS STRING)`
  const digits = `rtrim('0', CAST(CAST(${sql} AS DECIMAL(38, 21)) AS STRING))`
  const mantissa = `regexp_replace(split_part(${text}, 'E', 1), '[.]0$', '')`
  const power = `CAST(split_part(${text}, 'E', 2) AS INT)`
  return (
    `CASE WHEN abs(${sql}) < 1e15 AND ${sql} = rint(${sql}) THEN ${whole} ` +
    `WHEN isnan(${sql}) THEN 'nan' WHEN abs(${sql}) = ${numberLiteral(Infinity)} THEN if(${sql} > 0e0, 'inf', '-inf') ` +
    `WHEN abs(${sql}) >= 1e-4 AND abs(${sql}) < 1e16 THEN regexp_replace(${digits}, '[.]$', '.0') ` +
    `ELSE ${mantissa} || 'e' || if(${power} < 0, '-', '+') || lpad(CAST(abs(${power}) AS STRING), greatest(2, length(CAST(abs(${power}) AS STRING))), '0') END`
  )
}

/**
 * An array for few texts; for many, the map of those that have the text's hash. Both are made once, not for each row: of
 * one literal, as thousands of them would take Spark's parser longer than the rows.
 */
function position(sql: string, values: readonly string[]): string {
  const places = new Map<string, number>()
  values.forEach((value, i) => places.has(value) || places.set(value, i))
  const list = [...places]
  if (list.length <= SHORT_LIST)
    return `CAST(nullif(array_position(array(${values.map(textLiteral).join(', ')}), ${sql}), 0) - 1 AS BIGINT)`
  const buckets = Array.from({ length: Math.ceil(list.length / 4) }, (): string[] => [])
  for (const [value, place] of list)
    buckets[crc32(Buffer.from(value)) % buckets.length]?.push(`${JSON.stringify(value)}:${place}`)
  const maps = textLiteral(`[${buckets.map((pairs) => `{${pairs.join(',')}}`).join(',')}]`)
  // not array(…)[…]: of a missing text its index is -1 where Spark compiles it with others
  return `get(from_json(${maps}, 'array<map<string,bigint>>'), CAST(crc32(${sql}) % ${buckets.length} AS INT))[${sql}]`
}

/** As Spark's `crc32` (IEEE 802.3), unsigned. */
function crc32(bytes: Uint8Array): number {
  let sum = 0xffffffff
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0)
  }
  return ~sum >>> 0
}
