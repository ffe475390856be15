/**
 * `date_parts`: year, month (1-12), day (1-31), weekday (ISO: Monday 1 .. Sunday 7), hour, minute, day_of_year (1-366) of
 * a UTC time, as numbers. The calendar is civil-from-days in integers (Howard Hinnant, "chrono-compatible low-level date
 * algorithms"), written once over an arithmetic that makes SQL or ONNX, so that both agree for every date.
 */
import { type GraphBuilder, type Value, doubles, int64s } from '../core/onnx/graph.js'
import { MISSING_TIME } from '../core/schema.js'
import { type Expr, call, cast, int } from '../etl/expr.js'
import { fault, choice, optionMap } from './options.js'
import type { SqlFeature, Transform } from './transform.js'

const PARTS = ['year', 'month', 'day', 'weekday', 'hour', 'minute', 'day_of_year'] as const
type DatePart = (typeof PARTS)[number]
/** ONNX TensorProto.DataType, for Cast. */
const DOUBLE = 11n

export interface DateParts {
  readonly parts: readonly DatePart[]
}

/** Whole-number arithmetic on some kind of expression; div and mod floor, divisors are positive. */
interface Integers<T> {
  add(a: T, b: T | number): T
  sub(a: T, b: T | number): T
  mul(a: T, b: number): T
  div(a: T, b: number): T
  mod(a: T, b: number): T
}

/** Each part as a function of the microseconds since 1970; shared intermediate values are computed once. */
function calendar<T>(us: T, on: Integers<T>): Readonly<Record<DatePart, () => T>> {
  const once = (make: () => T): (() => T) => {
    let made: T | undefined
    return () => (made ??= make())
  }
  const days = once(() => on.div(us, 86_400_000_000))
  // days since 0000-03-01, whose years end with the leap day; an era is 400 years
  const shifted = once(() => on.add(days(), 719_468))
  const dayOfEra = once(() => on.mod(shifted(), 146_097))
  const yearOfEra = once(() => {
    const d = dayOfEra()
    const leap = on.sub(on.add(on.sub(d, on.div(d, 1460)), on.div(d, 36_524)), on.div(d, 146_096))
    return on.div(leap, 365)
  })
  const dayOfMarchYear = once(() => {
    const y = yearOfEra()
    return on.sub(dayOfEra(), on.sub(on.add(on.mul(y, 365), on.div(y, 4)), on.div(y, 100)))
  })
  const marchMonth = once(() => on.div(on.add(on.mul(dayOfMarchYear(), 5), 2), 153))
  // 1 for January and February, which belong to the next civil year
  const nextYear = once(() => on.div(marchMonth(), 10))
  const year = once(() => on.add(on.add(yearOfEra(), on.mul(on.div(shifted(), 146_097), 400)), nextYear()))
  return {
    year,
    month: once(() => on.sub(on.add(marchMonth(), 3), on.mul(nextYear(), 12))),
    day: once(() => on.add(on.sub(dayOfMarchYear(), on.div(on.add(on.mul(marchMonth(), 153), 2), 5)), 1)),
    weekday: once(() => on.add(on.mod(on.add(days(), 3), 7), 1)),
    hour: once(() => on.mod(on.div(us, 3_600_000_000), 24)),
    minute: once(() => on.mod(on.div(us, 60_000_000), 60)),
    day_of_year: once(() => {
      // days from 0000-03-01 to 1 January of the year: years y-1 are whole, their leap days among them
      const y = on.sub(year(), 1)
      const leaps = on.add(on.sub(on.div(y, 4), on.div(y, 100)), on.div(y, 400))
      return on.sub(shifted(), on.add(on.add(on.mul(y, 365), leaps), 305))
    }),
  }
}

const sql: Integers<Expr> = {
  add: (a, b) => call('add', a, typeof b === 'number' ? int(b) : b),
  sub: (a, b) => call('sub', a, typeof b === 'number' ? int(b) : b),
  mul: (a, b) => call('mul', a, int(b)),
  div: (a, b) => call('int_div', a, int(b)),
  mod: (a, b) => call('int_mod', a, int(b)),
}

function onnx(graph: GraphBuilder): Integers<Value> {
  const known = new Map<number, Value>()
  const value = (b: Value | number): Value => {
    if (typeof b === 'string') return b
    let constant = known.get(b)
    if (constant === undefined) known.set(b, (constant = graph.constant(int64s([b], []))))
    return constant
  }
  const on: Integers<Value> = {
    add: (a, b) => graph.node('Add', [a, value(b)]),
    sub: (a, b) => graph.node('Sub', [a, value(b)]),
    mul: (a, b) => graph.node('Mul', [a, value(b)]),
    // Div truncates; Mod has the divisor's sign: floor(a / b) = (a - a mod b) / b
    div: (a, b) => graph.node('Div', [graph.node('Sub', [a, on.mod(a, b)]), value(b)]),
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
      expr: cast(make[part](), 'number'),
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
