/** The part of column statistics that no engine does: requests as expressions, and partials combined in order. */
import type { ColumnType } from '../core/schema.js'
import { MillraceError } from '../core/errors.js'
import type { ColumnStatistics, StatisticsRequest } from './engine.js'
import { call, cast, col, type Expr, num, text } from './expr.js'
import type { Relation } from './relation.js'
import { typeOf } from './types.js'

/** Count, mean and sum of squared differences from it. */
export interface Moments {
  readonly count: number
  readonly mean: number
  readonly squares: number
}

export const NO_MOMENTS: Moments = { count: 0, mean: 0, squares: 0 }

/** Chan, Golub and LeVeque 1979: both together. Not associative in floating point: combine in a fixed order. */
export function combine(a: Moments, b: Moments): Moments {
  if (b.count === 0) return a
  if (a.count === 0) return b
  const count = a.count + b.count
  const delta = b.mean - a.mean
  return {
    count,
    mean: a.mean + (delta * b.count) / count,
    squares: a.squares + b.squares + (delta * delta * a.count * b.count) / count,
  }
}

/** Sample standard deviation; 0 for fewer than two values. */
export const sampleDeviation = ({ count, squares }: Moments): number =>
  count < 2 ? 0 : Math.sqrt(Math.max(0, squares) / (count - 1))

/** Decimal digits that are kept, from the first of the deviation on: far below what chance leaves of a mean, and above rounding. */
const DIGITS = 10

/**
 * A mean or deviation without the digits that are no property of the values: sums of floating-point numbers differ in their
 * last bits with how a table is cut into files and row groups, which is another on each engine. Fitted to those bits, a
 * feature, which is a single, is the next one here and there, and the training goes another way from there.
 * @param size the deviation: its first digit is the first that counts
 */
export function settled(value: number, size: number): number {
  if (!Number.isFinite(value) || !Number.isFinite(size) || value === 0 || size === 0) return value
  const digits = firstDigit(value) - firstDigit(size) + DIGITS
  return digits < 1 ? 0 : digits > 16 ? value : Number(value.toPrecision(digits))
}

const firstDigit = (value: number): number => Math.floor(Math.log10(Math.abs(value)))

/**
 * Mean, deviation and range of the values with `value` in place of the missing ones, of those without it: what a second
 * pass over all rows would find, but for the last bits. Some must be there.
 */
export function filled(facts: Filled, value: number): Filled {
  const { rows, missing, mean, stddev, min, max } = facts
  const count = rows - missing
  const there = { count, mean, squares: stddev ** 2 * (count - 1) }
  const all = combine(there, { count: missing, mean: value, squares: 0 })
  const [least, largest] = missing === 0 ? [min, max] : [Math.min(min, value), Math.max(max, value)]
  return { rows, missing: 0, mean: all.mean, stddev: sampleDeviation(all), min: least, max: largest }
}

type Filled = Required<Pick<ColumnStatistics, 'rows' | 'missing' | 'mean' | 'stddev' | 'min' | 'max'>>

/** A request, with its value as a column of the relation that is read. */
export interface Wanted {
  readonly request: StatisticsRequest
  readonly column: string
  readonly type: ColumnType
}

/** The request's value with everything that is missing as NULL, and its type. */
export function presentValue(request: StatisticsRequest, relation: Relation): { expr: Expr; type: ColumnType } {
  const type = typeOf(request.expr, relation.schema)
  const { mean, stddev, range, histogram, quantiles } = request
  const numeric = mean ?? stddev ?? range ?? histogram ?? quantiles !== undefined
  if (type === 'text' && numeric)
    throw new MillraceError('MR_PLAN_TYPE', `${request.name}: text has no mean, deviation, range or quantiles`)
  for (const fraction of request.quantiles ?? [])
    if (!(fraction >= 0 && fraction <= 1))
      throw new MillraceError('MR_PLAN_TYPE', `${request.name}: a quantile is between 0 and 1, not ${fraction}`)
  const nothing = type === 'text' ? text('') : type === 'number' ? num(NaN) : undefined
  return { expr: nothing === undefined ? request.expr : call('nullif', request.expr, nothing), type }
}

/** A present value as a number: times in microseconds, truth values as 0 and 1. */
export function numberOf(name: string, type: ColumnType): Expr {
  if (type === 'number') return col(name)
  return cast(type === 'timestamp' || type === 'date' ? call('epoch_us', col(name)) : col(name), 'number')
}
