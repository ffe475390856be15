/** What random plans are made of: expressions over a plan's columns, keys and names; and what one may ask of its rows. */
import fc, { type Arbitrary } from 'fast-check'
import type { Schema } from '../../src/core/schema.js'
import type { StatisticsRequest } from '../../src/etl/engine.js'
import { call, col, type Expr, int, num, type OrderKey } from '../../src/etl/expr.js'
import type { Relation } from '../../src/etl/relation.js'
import { expression } from '../../src/etl/sql/compile.js'
import { sparkDialect } from '../../src/etl/sql/spark.js'
import { typeOf } from '../../src/etl/types.js'
import { columnNames } from '../conformance/random-tables.js'
import { expressionsOver, usual } from './expressions.js'

/** Characters of an expression's text: Spark's parser takes long for long ones. */
const LONGEST = 600
const sparkTables = sparkDialect(() => '')

export interface Plan {
  readonly relation: Relation
  /** Columns that tell its rows apart. Absent: all columns, which are exact then; rows may be alike in all. */
  readonly key?: readonly string[] | undefined
  /** Columns whose last bits may differ between engines: nothing is made of them. */
  readonly inexact: readonly string[]
}

export const exact = ({ relation, inexact }: Plan): Schema =>
  relation.schema.filter(({ name }) => !inexact.includes(name))

/** Keys that leave nothing open but the order of rows that are alike. */
export const total = (plan: Plan): readonly OrderKey[] =>
  (plan.key !== undefined && plan.key.length > 0 ? plan.key : exact(plan).map(({ name }) => name)).map((name) => ({
    expr: col(name),
  }))

/** Names as wanted, but different from each other and from those that are taken. */
export function unused(wanted: readonly string[], taken: readonly string[] = []): string[] {
  const seen = new Set(taken.map((name) => name.toLowerCase()))
  return wanted.map((name) => {
    let found = name
    while (seen.has(found.toLowerCase())) found += '_'
    seen.add(found.toLowerCase())
    return found
  })
}
export const namesOf = ({ relation }: Plan): string[] => relation.schema.map(({ name }) => name)

/** Small expressions over the columns that are exact. */
export function small(plan: Plan): ReturnType<typeof expressionsOver> {
  const short = (one: Arbitrary<Expr>): Arbitrary<Expr> =>
    one.filter((expr) => expression(expr, plan.relation, sparkTables).length < LONGEST)
  const { number, integer, boolean, text, timestamp, date } = expressionsOver(exact(plan), 2)
  return {
    ...{ number: short(number), integer: short(integer), boolean: short(boolean), text: short(text) },
    ...{ timestamp: short(timestamp), date: short(date) },
  }
}
export const scalarOf = (plan: Plan): Arbitrary<Expr> => fc.oneof(...Object.values(small(plan)))
export const columnOf = (plan: Plan): Arbitrary<Expr> => fc.constantFrom(...exact(plan).map(({ name }) => col(name)))

export const sortKey = (plan: Plan): Arbitrary<OrderKey> =>
  fc.record({
    expr: fc.oneof({ arbitrary: columnOf(plan), weight: 3 }, scalarOf(plan)),
    descending: fc.boolean(),
    nulls: fc.constantFrom('first', 'last'),
  })

/** Numbers whose sums have no rounding. */
export const tame = (plan: Plan): Arbitrary<Expr> => {
  const { number, integer } = small(plan)
  return fc.oneof(
    integer.map((one) => call('int_mod', one, int(1000))),
    number.map((one) => call('greatest', num(-1e6), call('least', num(1e6), call('floor', one)))),
  )
}
/** Numbers whose sums are rounded. */
export const rough = (plan: Plan): Arbitrary<Expr> =>
  small(plan).number.map((one) => call('greatest', num(-1e6), call('least', num(1e6), one)))

/** Without what is undefined. */
function defined<T extends object>(given: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>
  }
}

/** What one may ask of a plan's rows. */
export function requests(plan: Plan): Arbitrary<StatisticsRequest[]> {
  const { schema } = plan.relation
  const wish = fc.option(fc.constant(true as const), { nil: undefined })
  const one = fc
    .record({
      expr: fc.oneof({ arbitrary: columnOf(plan), weight: 2 }, scalarOf(plan)),
      ...{ mean: wish, stddev: wish, range: wish, histogram: wish },
      quantiles: fc.option(
        fc.array(fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 0.25, 0.5, 1)), {
          maxLength: 5,
        }),
        { nil: undefined },
      ),
      values: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
      distinct: fc.constantFrom(undefined, true, 'few' as const),
    })
    .map(({ expr, values, distinct, ...numeric }) => {
      const type = typeOf(expr, schema)
      // how much of a deviation is rounding depends on the mean
      const mean = numeric.stddev ?? numeric.mean
      const asked = { ...(type === 'text' ? {} : { ...numeric, mean }), values, distinct }
      return { expr: type === 'number' && values !== undefined ? usual(expr) : expr, ...asked }
    })
  return fc
    .tuple(fc.array(one, { minLength: 6, maxLength: 12 }), columnNames(12))
    .map(([some, names]) => some.map((request, i) => ({ name: names[i] ?? '', ...defined(request) })))
}
