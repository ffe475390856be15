/**
 * `date_parts`: year, month (1-12), day (1-31), weekday (ISO: Monday 1 .. Sunday 7), hour, minute, day_of_year (1-366) of
 * a UTC time, as numbers. The calendar is that of Neri and Schneider, "Euclidean affine functions and their application to
 * calendar algorithms" (2022), written once over an arithmetic that makes SQL or ONNX, so that both agree for every date.
 */
import { type GraphBuilder, type Value, doubles, int64s } from '../core/onnx/graph.js'
import { MISSING_TIME } from '../core/schema.js'
import { type Expr, call, cast, int, num } from '../etl/expr.js'
import { fault, choice, optionMap } from './options.js'
import type { SqlFeature, Transform } from './transform.js'

const PARTS = ['year', 'month', 'day', 'weekday', 'hour', 'minute', 'day_of_year'] as const
type DatePart = (typeof PARTS)[number]
/** ONNX TensorProto.DataType, for Cast. */
const DOUBLE = 11n

export interface DateParts {
  readonly parts: readonly DatePart[]
}

/**
 * Whole-number arithmetic on some kind of expression; divisions floor, divisors are positive. Microseconds need 64-bit
 * integers; days and what comes of them are small, which SQL can hold in doubles: there floor(a / b) names `a` once,
 * where the integer form names it twice at each level.
 */
interface Calculation<T> {
  timeDiv(us: T, by: number): T
  timeMod(us: T, by: number): T
  small(a: T): T
  add(a: T, b: T | number): T
  sub(a: T, b: T | number): T
  mul(a: T, b: number): T
  floorDiv(a: T, b: number): T
  /** For a >= 0, where truncation is floor. */
  div(a: T, b: number): T
  mod(a: T, b: number): T
}

/** Each part as a function of the microseconds since 1970; shared intermediate values are computed once. */
function calendar<T>(us: T, on: Calculation<T>): Readonly<Record<DatePart, () => T>> {
  const once = (make: () => T): (() => T) => {
    let made: T | undefined
    return () => (made ??= make())
  }
  const days = once(() => on.small(on.timeDiv(us, 86_400_000_000)))
  // days since 0000-03-01, whose years end with the leap day; 146,097 days are 400 years, 1,461 are 4
  const shifted = once(() => on.add(days(), 719_468))
  const quarters = once(() => on.add(on.mul(shifted(), 4), 3))
  const inCentury = once(() => on.add(on.mul(on.div(on.mod(quarters(), 146_097), 4), 4), 3))
  const dayOfYear = once(() => on.div(on.mod(inCentury(), 1461), 4))
  const monthAndDay = once(() => on.add(on.mul(dayOfYear(), 2141), 197_913))
  // 1 for January and February, which belong to the next civil year
  const nextYear = once(() => on.div(dayOfYear(), 306))
  const century = once(() => on.mul(on.floorDiv(quarters(), 146_097), 100))
  const year = once(() => on.add(on.add(century(), on.div(inCentury(), 1461)), nextYear()))
  return {
    year,
    month: once(() => on.sub(on.div(monthAndDay(), 65_536), on.mul(nextYear(), 12))),
    day: once(() => on.add(on.div(on.mod(monthAndDay(), 65_536), 2141), 1)),
    weekday: once(() => on.add(on.mod(on.add(days(), 3), 7), 1)),
    hour: once(() => on.small(on.timeMod(on.timeDiv(us, 3_600_000_000), 24))),
    minute: once(() => on.small(on.timeMod(on.timeDiv(us, 60_000_000), 60))),
    day_of_year: once(() => {
      // days from 0000-03-01 to 1 January of the year: years y-1 are whole, their leap days among them
      const y = on.sub(year(), 1)
      const leaps = on.add(on.sub(on.floorDiv(y, 4), on.floorDiv(y, 100)), on.floorDiv(y, 400))
      return on.sub(shifted(), on.add(on.add(on.mul(y, 365), leaps), 305))
    }),
  }
}

const small = (b: Expr | number): Expr => (typeof b === 'number' ? num(b) : b)
const sql: Calculation<Expr> = {
  timeDiv: (us, by) => call('int_div', us, int(by)),
  timeMod: (us, by) => call('int_mod', us, int(by)),
  small: (a) => cast(a, 'number'),
  add: (a, b) => call('add', a, small(b)),
  sub: (a, b) => call('sub', a, small(b)),
  mul: (a, b) => call('mul', a, num(b)),
  floorDiv: (a, b) => call('floor', call('div', a, num(b))),
  div: (a, b) => call('floor', call('div', a, num(b))),
  mod: (a, b) => cast(call('int_mod', cast(a, 'integer'), int(b)), 'number'),
}

function onnx(graph: GraphBuilder): Calculation<Value> {
  const known = new Map<number, Value>()
  const value = (b: Value | number): Value => {
    if (typeof b === 'string') return b
    let constant = known.get(b)
    if (constant === undefined) known.set(b, (constant = graph.constant(int64s([b], []))))
    return constant
  }
  const on: Calculation<Value> = {
    timeDiv: (us, by) => on.floorDiv(us, by),
    timeMod: (us, by) => on.mod(us, by),
    small: (a) => a,
    add: (a, b) => graph.node('Add', [a, value(b)]),
    sub: (a, b) => graph.node('Sub', [a, value(b)]),
    mul: (a, b) => graph.node('Mul', [a, value(b)]),
    // Div truncates; Mod has the divisor's sign: floor(a / b) = (a - a mod b) / b
    floorDiv: (a, b) => graph.node('Div', [graph.node('Sub', [a, on.mod(a, b)]), value(b)]),
    div: (a, b) => graph.node('Div', [a, value(b)]),
    mod: (a, b) => graph.node('Mod', [a, value(b)]),
  }
  return on
}

export const dateParts: Transform<DateParts, DateParts> = {
  name: 'date_parts',
  version: 1,
  accepts: ['timestamp', 'date'],
  result: () => 'number',
  options(given, kind) {
    const usual = kind === 'date' ? PARTS.slice(0, 4) : PARTS.slice(0, 6)
    const list = Array.isArray(given) ? (given as unknown[]) : (optionMap(given, ['parts'])['parts'] ?? usual)
    if (!Array.isArray(list) || list.length === 0) throw fault(`parts is a list of ${PARTS.join(', ')}`, list)
    const parts = list.map((part) => choice('a part', part, PARTS))
    if (new Set(parts).size < parts.length) throw fault('a part may stand only once', list)
    return { parts }
  },
  statistics: () => ({}),
  fit: (_statistics, options) => options,
  apply(value, { parts }): readonly SqlFeature[] {
    const make = calendar(call('epoch_us', value.expr), sql)
    return parts.map((part) => ({
      expr: make[part](),
      kind: 'number',
      suffix: `${value.suffix}_${part}`,
    }))
  },
  onnx(graph, { value }, fitted) {
    const absent = graph.node('Equal', [value, graph.constant(int64s([MISSING_TIME], []))])
    // the smallest int64 would overflow on the way
    const us = graph.node('Where', [absent, graph.constant(int64s([0], [])), value])
    const nan = graph.constant(doubles([NaN], []))
    const make = calendar(us, onnx(graph))
    return (fitted[0]?.parts ?? []).map((part) => ({
      value: graph.node('Where', [absent, nan, graph.node('Cast', [make[part]()], { to: DOUBLE })]),
      kind: 'number',
    }))
  },
  describe: ({ parts }) => `date parts ${parts.join(', ')}`,
}
