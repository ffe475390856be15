/** A validation rule as it is checked, whoever asks for it: what is counted, and how the counts are judged. */
import type { RuleName, Severity } from '../core/documents.js'
import type { ColumnType } from '../core/schema.js'
import type { ColumnStatistics, StatisticsRequest } from './engine.js'
import { aggregate, bool, call, cast, col, int, text, type Expr, type LiteralValue } from './expr.js'

/** One column of the row of counts. */
export interface Count {
  readonly expr: Expr
  /** How the counts of parts of a table make that of the whole; absent where they do not (distinct values). */
  readonly merge?: 'sum' | 'min' | 'max'
}

export interface Verdict {
  readonly passed: boolean
  /** Rows that break it. */
  readonly violations: number
  /** As in `RuleResult`. */
  readonly observed?: string
  readonly value?: number
  readonly examples?: readonly string[]
}

export interface Rule {
  /** Unique among the rules of a table. */
  readonly id: string
  readonly rule: RuleName
  readonly column?: string
  /** In words. */
  readonly expectation: string
  readonly severity: Severity
  /** The suite that asks for it. */
  readonly source?: string
  /** The share of rows that must hold, where that is not all of them. */
  readonly mostly?: number
  readonly counts: readonly Count[]
  /** Of one expression, where counts will not do. */
  readonly statistics?: Omit<StatisticsRequest, 'name'>
  /** @param found values of `counts`, in their order */
  judge(found: readonly unknown[], statistics: ColumnStatistics | undefined): Verdict
  /** Rules about rows: what breaks it (true or false, never NULL) and how such a row is shown. */
  readonly rows?: { readonly broken: Expr; readonly example: Expr }
  /** Rules about repeated rows. */
  readonly keys?: Keys
}

/** Columns whose values together may come once only. */
export interface Keys {
  readonly columns: readonly string[]
  /** True (never NULL) for the rows that have a key and are compared. */
  readonly among: Expr
  /** True if every row of a repeated key breaks the rule, the first one too. */
  readonly all?: true
}

type Head = Pick<Rule, 'id' | 'rule' | 'column' | 'expectation' | 'severity' | 'source' | 'mostly'>

export const not = (expr: Expr): Expr => call('not', expr)
export const any = (exprs: readonly Expr[]): Expr => (exprs.length === 0 ? bool(false) : call('or', ...exprs))
export const all = (exprs: readonly Expr[]): Expr => (exprs.length === 0 ? bool(true) : call('and', ...exprs))
export const present = (column: string): Expr => not(call('is_missing', col(column)))
/** False where it is not known. */
export const surely = (expr: Expr): Expr => call('coalesce', expr, bool(false))

/**
 * A rule that each row keeps or breaks.
 * @param judged the rows that are looked at, for `mostly`
 */
export function rowRule(head: Head, broken: Expr, example: Expr, judged: Expr = bool(true)): Rule {
  const { mostly } = head
  const count = (expr: Expr): Count => ({ expr: aggregate('count_if', [expr]), merge: 'sum' })
  return {
    ...head,
    counts: [count(broken), ...(mostly === undefined ? [] : [count(judged)])],
    judge: ([violations, of]) => share(Number(violations), Number(of), mostly),
    rows: { broken, example: shortened(example) },
  }
}

/** A rule that the rows of a repeated key break. */
export function keyRule(head: Head, keys: Keys): Rule {
  const { columns, among } = keys
  const { mostly } = head
  const distinct: Expr = { op: 'aggregate', fn: 'count_distinct', args: columns.map(col), filter: among }
  const counted = aggregate('count_if', [among])
  return {
    ...head,
    counts: [{ expr: call('sub', counted, distinct) }, { expr: counted, merge: 'sum' }],
    judge: ([violations, of]) => share(Number(violations), Number(of), mostly),
    keys,
  }
}

/** A rule about the table, told from counts. */
export function tableRule(head: Head, counts: readonly Count[], judge: Rule['judge']): Rule {
  return { ...head, counts, judge }
}

/** A rule whose answer is known before a row is read. */
export function knownRule(head: Head, passed: boolean, observed?: string): Rule {
  const verdict: Verdict = { passed, violations: 0, ...(observed === undefined ? {} : { observed }) }
  return { ...head, counts: [], judge: () => verdict }
}

/** A rule about a column that is not there: it fails, whatever its severity is for rows. */
export function absentColumn(id: string, rule: RuleName, column: string, severity: Severity = 'fail'): Rule {
  return knownRule({ id, rule, column, expectation: `there is a column ${column}`, severity }, false)
}

export function share(violations: number, of: number, mostly: number | undefined): Verdict {
  if (mostly === undefined || violations === 0) return { passed: violations === 0, violations }
  const held = (of - violations) / of
  return { passed: held >= mostly, violations, observed: `${percentOf(of - violations, of)} of ${of} rows hold` }
}

/** Rounded down, so that what falls short never looks as if it did not. */
const percentOf = (held: number, of: number): string => `${Math.floor((held * 10_000) / of) / 100}%`

const LONGEST_EXAMPLE = 200
const shortened = (example: Expr): Expr => call('substr', example, int(1), int(LONGEST_EXAMPLE))

/** The values of columns as one text: `(1, x)` of several. */
export function shown(columns: readonly string[]): Expr {
  const parts = columns.map((column) => call('coalesce', cast(col(column), 'text'), text('(missing)')))
  const [first = text('')] = parts
  if (parts.length === 1) return first
  const listed = parts.flatMap((part, i) => (i === 0 ? [part] : [text(', '), part]))
  return call('concat', text('('), ...listed, text(')'))
}

/**
 * A value of a pipeline file or a suite as one of the column's type; undefined where no value of the column can be
 * equal to it. Times as microseconds since 1970 UTC.
 */
export function literalOf(value: unknown, type: ColumnType): LiteralValue | undefined {
  switch (type) {
    case 'text':
      return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
        ? String(value)
        : undefined
    case 'boolean':
      if (typeof value === 'boolean') return value
      return typeof value === 'string' && /^(true|false)$/i.test(value) ? value.toLowerCase() === 'true' : undefined
    case 'number':
    case 'integer':
      if (typeof value === 'number') return Number.isNaN(value) ? undefined : value
      if (typeof value !== 'string' || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value.trim())) return undefined
      return Number(value)
    case 'timestamp':
    case 'date':
      return typeof value === 'string' ? microseconds(value) : undefined
  }
}

/**
 * Microseconds since 1970 UTC of a date, or of a date and a time with or without zone; undefined where the calendar has
 * no such day, or the fraction of a second is finer than a column can hold.
 */
export function microseconds(value: string): bigint | undefined {
  const match =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?:(:\d{2})(?:\.(\d{1,6})0{0,3})?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i.exec(
      value.trim(),
    )
  const [, day = '', minute = '00:00', second = ':00', fraction = '', zone = 'Z'] = match ?? []
  const time = Date.parse(`${day}T${minute}${second}${zone}`)
  // JavaScript takes 30 February for 1 March
  const isDay = !Number.isNaN(Date.parse(day)) && new Date(Date.parse(day)).toISOString().startsWith(day)
  if (match === null || Number.isNaN(time) || !isDay) return undefined
  return BigInt(time) * 1000n + BigInt(fraction.padEnd(6, '0'))
}

/** True (or NULL) where a column's value is one of these; values as `literalOf` gives them. */
export function isOneOf(column: string, type: ColumnType, values: readonly LiteralValue[]): Expr {
  const whole = values.every((value) => typeof value === 'number' && Number.isSafeInteger(value))
  switch (type) {
    case 'integer':
    case 'number':
      return type === 'integer' && whole
        ? { op: 'in', value: col(column), values: values.map((value) => BigInt(value ?? 0)), type }
        : { op: 'in', value: col(column), values, type: 'number' }
    case 'timestamp':
    case 'date':
      return { op: 'in', value: col(column), values, type: 'timestamp' }
    default:
      return { op: 'in', value: col(column), values, type }
  }
}

/** A few values in words. */
export function listedValues(values: readonly unknown[]): string {
  const some = values.slice(0, 8).map((value) => (typeof value === 'string' ? value : JSON.stringify(value)))
  return values.length > 8 ? `${some.join(', ')} and ${values.length - 8} more` : some.join(', ')
}

/** Microseconds as people write a time. */
export function timeInWords(micros: bigint): string {
  // rounded down, before 1970 too: the fraction of a second is added
  const date = new Date(Number((micros - (((micros % 1000n) + 1000n) % 1000n)) / 1000n))
  // the engine knows years that JavaScript does not
  if (Number.isNaN(date.getTime())) return `${micros} microseconds since 1970`
  const text = date.toISOString()
  const below = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const fraction = below === 0n ? '' : `.${String(below).padStart(6, '0')}`
  if (fraction === '' && text.endsWith('T00:00:00.000Z')) return text.slice(0, 10)
  return `${text.slice(0, 19).replace('T', ' ')}${fraction} UTC`
}
