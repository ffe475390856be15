/** What the readings of single expectations share: what they are given, and how its parts are read. */
import type { ColumnType, Schema } from '../core/schema.js'
import { call, col, num, text, type Expr } from './expr.js'
import { literalOf, type Rule } from './rule.js'
import { columnType } from './types.js'

export interface Asked {
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly schema: Schema
  /** Name of the column that numbers the rows. */
  readonly row: string
  /** The columns that it names; all of them are there, but for `column_to_exist`. */
  readonly columns: readonly string[]
  /** True for the rows that are looked at; absent: all. */
  readonly condition?: Expr
  /** The condition in words, empty if there is none. */
  readonly where: string
  readonly head: Pick<Rule, 'id' | 'rule' | 'severity' | 'source' | 'column'>
  readonly refused: ReadonlyMap<string, string>
}

/** A rule from what is asked; throws `Unchecked` or `Mismatch`. */
export type Reading = (asked: Asked) => Rule

/** It has no counterpart here: it is named as not checked. */
export class Unchecked extends Error {}

/** It cannot hold on a column of this type: the rule fails. */
export class Mismatch extends Error {
  constructor(
    readonly expectation: string,
    observed: string,
  ) {
    super(observed)
  }
}

/** Columns named by the keys that name columns. */
export function columnsAsked(kwargs: Readonly<Record<string, unknown>>): readonly string[] {
  return [kwargs['column'], kwargs['column_A'], kwargs['column_B'], kwargs['column_list']]
    .flat()
    .filter((name) => typeof name === 'string')
}

export function onlyColumn({ columns, schema }: Asked): { readonly column: string; readonly type: ColumnType } {
  const [column, more] = columns
  if (column === undefined || more !== undefined) throw new Unchecked('it does not name one column')
  return { column, type: columnType(column, schema) }
}

export const isNumeric = (type: ColumnType): boolean => type === 'number' || type === 'integer'
export const isTime = (type: ColumnType): boolean => type === 'timestamp' || type === 'date'

/** Undefined for what is left out or null. */
export function given({ kwargs }: Pick<Asked, 'kwargs'>, key: string): unknown {
  const value = kwargs[key] ?? undefined
  if (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).some((k) => k.startsWith('$')))
    throw new Unchecked(`${key} is a parameter of the suite, which is not known here`)
  return value
}

export function numberGiven(asked: Asked, key: string): number | undefined {
  const value = given(asked, key)
  if (value === undefined) return undefined
  if (typeof value !== 'number') throw new Unchecked(`${key} is ${JSON.stringify(value)}, not a number`)
  return value
}

export function listGiven(asked: Asked, key: string): readonly unknown[] {
  const value = given(asked, key)
  if (!Array.isArray(value)) throw new Unchecked(`${key} is not a list`)
  return value as readonly unknown[]
}

export function textsGiven(asked: Asked, key: string): readonly string[] {
  return listGiven(asked, key).map((value) => {
    if (typeof value !== 'string') throw new Unchecked(`${key} holds ${JSON.stringify(value)}, not a text`)
    return value
  })
}

export function textGiven(asked: Asked, key: string): string {
  const value = given(asked, key)
  if (typeof value !== 'string') throw new Unchecked(`${key} is not a text`)
  return value
}

export const flagGiven = (asked: Asked, key: string): boolean => given(asked, key) === true

const inWords = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** The share of rows that must hold, if it is not all. */
export function mostlyGiven(asked: Asked): { readonly mostly?: number } {
  const mostly = numberGiven(asked, 'mostly') ?? 1
  if (mostly < 0 || mostly > 1) throw new Unchecked(`mostly is ${mostly}, not a share`)
  return mostly === 1 ? {} : { mostly }
}

export interface Bounds {
  readonly low: unknown
  readonly high: unknown
  readonly isStrictLow: boolean
  readonly isStrictHigh: boolean
  /** Around `what`, e.g. `0 < amount <= 9`. */
  readonly words: (what: string) => string
}

export function boundsGiven(asked: Asked): Bounds {
  const [low, high] = [given(asked, 'min_value'), given(asked, 'max_value')]
  if (low === undefined && high === undefined) throw new Unchecked('it has neither min_value nor max_value')
  const [isStrictLow, isStrictHigh] = [flagGiven(asked, 'strict_min'), flagGiven(asked, 'strict_max')]
  return {
    ...{ low, high, isStrictLow, isStrictHigh },
    words: (what) =>
      [
        ...(low === undefined ? [] : [`${inWords(low)} ${isStrictLow ? '<' : '<='} `]),
        what,
        ...(high === undefined ? [] : [` ${isStrictHigh ? '<' : '<='} ${inWords(high)}`]),
      ].join(''),
  }
}

/** Bounds of one number. */
export interface NumberBounds {
  readonly words: (what: string) => string
  /** NaN lies within none. */
  readonly hold: (value: number) => boolean
}

/** @param read a bound as a number; throws `Unchecked` or `Mismatch` for what is none */
export function numberBounds(
  asked: Asked,
  read: (key: 'min_value' | 'max_value') => number | undefined = (key) => numberGiven(asked, key),
): NumberBounds {
  const { words, isStrictLow, isStrictHigh } = boundsGiven(asked)
  const [low, high] = [read('min_value') ?? -Infinity, read('max_value') ?? Infinity]
  return {
    words,
    hold: (value) => (isStrictLow ? value > low : value >= low) && (isStrictHigh ? value < high : value <= high),
  }
}

/** A bound or value as an expression of the column's type; undefined if it is of another. */
export function literalExpr(value: unknown, type: ColumnType): Expr | undefined {
  const isOfType = isNumeric(type) ? typeof value === 'number' : type === 'boolean' || typeof value === 'string'
  const literal = isOfType ? literalOf(value, type) : undefined
  if (literal === undefined || literal === null) return undefined
  if (isNumeric(type)) return num(Number(literal))
  if (isTime(type)) return { op: 'literal', value: literal, type: 'timestamp' }
  return type === 'text' ? text(String(literal)) : { op: 'literal', value: literal, type }
}

/** True where `value` lies outside of the bounds; NULL where it is missing. */
export function outside(column: string, type: ColumnType, bounds: Bounds): Expr {
  const side = (bound: unknown, strict: boolean, below: boolean): readonly Expr[] => {
    if (bound === undefined) return []
    const literal = type === 'boolean' ? undefined : literalExpr(bound, type)
    if (literal === undefined)
      throw new Mismatch(bounds.words(column), `the column is ${type}, which ${JSON.stringify(bound)} does not bound`)
    const fn = below ? (strict ? 'le' : 'lt') : strict ? 'ge' : 'gt'
    return [call(fn, col(column), literal)]
  }
  const sides = [...side(bounds.low, bounds.isStrictLow, true), ...side(bounds.high, bounds.isStrictHigh, false)]
  return call('or', ...sides)
}
