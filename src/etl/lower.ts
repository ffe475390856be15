/**
 * Rewrites expressions until only what every engine has is left, with one meaning everywhere. The rules stand here and
 * nowhere else; a dialect then needs only tables.
 *
 * - integers among numbers are cast to numbers, dates among timestamps to timestamps
 * - `is_missing` becomes what missing means for the type, and `is_null` where that alone can be (missing.ts); what does
 *   nothing then is left out; `is_nan` is false, not NULL, for NULL
 * - `least`, `greatest`: NULL if any argument is (engines skip NULLs, ONNX and people do not)
 * - `x / 0` is NULL, for whole numbers too; `ln` of what is not positive and `sqrt` of negatives are NULL (engines differ, or fail)
 * - `in` of nothing is false, a case without branches its `otherwise`
 */
import { isDeepStrictEqual } from 'node:util'
import type { ColumnType, Schema } from '../core/schema.js'
import { bool, call, cast, int, missing, num, text, when, type Expr } from './expr.js'
import { isNothing, isNullOnly } from './missing.js'
import type { Relation } from './relation.js'
import { typeOf, unify } from './types.js'

/** `expr` over the rows of `relation`, rewritten; same value, same type. */
export function lower(expr: Expr, relation: Relation): Expr {
  const { schema } = relation
  const down = (inner: Expr): Expr => lower(inner, relation)
  switch (expr.op) {
    case 'column':
    case 'literal':
      return expr
    case 'call':
      return lowerCall(expr, expr.args.map(down), relation)
    case 'case': {
      if (expr.branches.length === 0) return down(expr.otherwise)
      const values = sameType([...expr.branches.map((branch) => branch.then), expr.otherwise].map(down), schema)
      return withoutCheck({
        op: 'case',
        branches: expr.branches.map((branch, i) => ({ when: down(branch.when), then: values[i] ?? branch.then })),
        otherwise: values[expr.branches.length] ?? expr.otherwise,
      })
    }
    case 'cast': {
      const value = down(expr.value)
      return typeOf(value, schema) === expr.to ? value : { ...expr, value }
    }
    case 'position':
      return expr.values.length === 0 ? missing('integer') : { ...expr, value: down(expr.value) }
    case 'in': {
      const values = expr.values.filter((value) => value !== null)
      if (values.length === 0) return bool(false)
      const value = convert(down(expr.value), unify('in', [typeOf(expr.value, schema), expr.type]), schema)
      return { ...expr, value, values }
    }
    case 'aggregate': {
      const args = expr.args.map((arg) => forReduction(expr.fn, down(arg), schema))
      return { ...expr, args, ...(expr.filter === undefined ? {} : { filter: down(expr.filter) }) }
    }
    case 'window':
      return {
        ...expr,
        args: expr.args.map((arg) => forReduction(expr.fn, down(arg), schema)),
        partitionBy: expr.partitionBy.map(down),
        orderBy: expr.orderBy.map((key) => ({ ...key, expr: down(key.expr) })),
      }
  }
}

/** `when(is_null(x), NULL, x)` is x; the same with x cast, as casts make NULL of NULL. */
function withoutCheck(expr: Expr & { op: 'case' }): Expr {
  const { when: asked, then } = expr.branches[0] ?? {}
  const isOfNull = asked?.op === 'call' && asked.fn === 'is_null' && then?.op === 'literal' && then.value === null
  if (expr.branches.length > 1 || !isOfNull) return expr
  for (let value = expr.otherwise; ; value = value.value) {
    if (isDeepStrictEqual(value, asked.args[0])) return expr.otherwise
    if (value.op !== 'cast') return expr
  }
}

function lowerCall(expr: Expr & { op: 'call' }, args: readonly Expr[], relation: Relation): Expr {
  const { schema } = relation
  const [first = missing('number'), second = missing('number')] = args
  const number = (arg: Expr): Expr => convert(arg, 'number', schema)
  switch (expr.fn) {
    case 'is_missing': {
      const isNull = call('is_null', first)
      if (isNullOnly(first, relation)) return isNull
      return call('or', isNull, typeOf(first, schema) === 'text' ? call('eq', first, text('')) : call('is_nan', first))
    }
    case 'is_nan':
      return call('coalesce', call('is_nan', first), bool(false))
    case 'add':
    case 'sub':
    case 'mul': {
      const type = typeOf(expr, schema)
      return call(expr.fn, ...args.map((arg) => convert(arg, type, schema)))
    }
    case 'div':
      return call('div', number(first), call('nullif', number(second), num(0)))
    case 'exp':
    case 'floor':
      return call(expr.fn, number(first))
    case 'ln':
      return when(call('gt', number(first), num(0)), call('ln', number(first)), missing('number'))
    case 'sqrt':
      return when(call('ge', number(first), num(0)), call('sqrt', number(first)), missing('number'))
    case 'least':
    case 'greatest': {
      const type = typeOf(expr, schema)
      const values = args.map((arg) => convert(arg, type, schema))
      const present = values.filter((v) => v.op !== 'literal').map((v) => call('not', call('is_null', v)))
      if (values.some((v) => v.op === 'literal' && v.value === null)) return missing(type)
      const value = values.length === 1 && values[0] !== undefined ? values[0] : call(expr.fn, ...values)
      return present.length === 0 ? value : when(call('and', ...present), value, missing(type))
    }
    case 'int_div':
    case 'int_mod': {
      const isNever = second.op === 'literal' && second.value !== null && BigInt(second.value) !== 0n
      return call(expr.fn, first, isNever ? second : call('nullif', second, int(0)))
    }
    case 'epoch_us':
      return call('epoch_us', convert(first, 'timestamp', schema))
    case 'eq':
    case 'ne':
    case 'lt':
    case 'le':
    case 'gt':
    case 'ge':
    case 'coalesce':
      return call(expr.fn, ...sameType(args, schema))
    case 'nullif': {
      const [value = first, other = second] = sameType(args, schema)
      return isNothing(other) && isNullOnly(value, relation) ? value : call('nullif', value, other)
    }
    default:
      return call(expr.fn, ...args)
  }
}

const sameType = (args: readonly Expr[], schema: Schema): readonly Expr[] => {
  const types = args.map((arg) => typeOf(arg, schema))
  const type = unify('value', types)
  return args.map((arg, i) => (types[i] === type ? arg : convert(arg, type, schema)))
}

/** A cast where one is needed; literals are rewritten in place. */
function convert(expr: Expr, to: ColumnType, schema: Schema): Expr {
  if (typeOf(expr, schema) === to) return expr
  if (expr.op !== 'literal') return cast(expr, to)
  if (expr.value === null) return missing(to)
  if (to === 'number') return num(Number(expr.value))
  return to === 'integer' ? int(typeof expr.value === 'bigint' ? expr.value : Number(expr.value)) : cast(expr, to)
}

/** Means, deviations and quantiles are of doubles; sums of truth values are of integers. */
function forReduction(fn: string, arg: Expr, schema: Schema): Expr {
  switch (fn) {
    case 'avg':
    case 'stddev_samp':
    case 'var_pop':
    case 'quantile':
    case 'exact_sum':
      return convert(arg, 'number', schema)
    case 'sum':
      return typeOf(arg, schema) === 'boolean' ? cast(arg, 'integer') : arg
    default:
      return arg
  }
}
