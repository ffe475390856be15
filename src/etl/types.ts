/** The type of every expression, checked against the columns it stands on. One table for all engines. */
import { MillraceError, nearest } from '../core/errors.js'
import type { ColumnType, Schema } from '../core/schema.js'
import type { Expr, ScalarFunction } from './expr.js'

const numeric = (type: ColumnType): boolean => type === 'number' || type === 'integer' || type === 'boolean'
const time = (type: ColumnType): boolean => type === 'timestamp' || type === 'date'

/**
 * The type of `expr` over the columns of `schema`. Throws MR_PLAN_COLUMN_UNKNOWN (naming the nearest column) or
 * MR_PLAN_TYPE. Mixed integers and numbers give `number`, mixed dates and timestamps `timestamp`.
 */
export function typeOf(expr: Expr, schema: Schema): ColumnType {
  switch (expr.op) {
    case 'column':
      return columnType(expr.name, schema)
    case 'literal':
      return expr.type
    case 'call':
      return callType(
        expr.fn,
        expr.args.map((arg) => typeOf(arg, schema)),
      )
    case 'case': {
      for (const branch of expr.branches) expect('case', ['boolean'], typeOf(branch.when, schema))
      return unify(
        'case',
        [...expr.branches.map((branch) => branch.then), expr.otherwise].map((e) => typeOf(e, schema)),
      )
    }
    case 'cast': {
      const from = typeOf(expr.value, schema)
      const to = expr.to === 'float32' ? 'number' : expr.to === 'int32' ? 'integer' : expr.to
      const possible = from === to || to === 'text' || from === 'text' || (numeric(from) ? numeric(to) : time(to))
      if (!possible) throw new MillraceError('MR_PLAN_TYPE', `a ${from} cannot be cast to ${to}`)
      return to
    }
    case 'position':
      expect('position', ['text'], typeOf(expr.value, schema))
      return 'integer'
    case 'in':
      unify('in', [typeOf(expr.value, schema), expr.type])
      return 'boolean'
    case 'aggregate': {
      const types = expr.args.map((arg) => typeOf(arg, schema))
      if (expr.filter !== undefined) expect(`${expr.fn} filter`, ['boolean'], typeOf(expr.filter, schema))
      return reduceType(expr.fn, types)
    }
    case 'window':
      for (const key of [...expr.partitionBy, ...expr.orderBy.map((order) => order.expr)]) typeOf(key, schema)
      checkFrame(expr, schema)
      checkParams(expr)
      return reduceType(
        expr.fn,
        expr.args.map((arg) => typeOf(arg, schema)),
      )
  }
}

function checkFrame({ fn, frame, orderBy }: Expr & { op: 'window' }, schema: Schema): void {
  if (frame === undefined) return
  const wrong = (rule: string): MillraceError => new MillraceError('MR_PLAN_SHAPE', `the frame of ${fn}: ${rule}`)
  if (frame.to < 0n || (frame.from !== 'unbounded' && frame.from < frame.to))
    throw wrong(`from ${frame.from} to ${frame.to} is no way back from a row`)
  if (frame.unit === 'rows') return
  const [key] = orderBy
  if (key === undefined || orderBy.length > 1 || key.descending === true || typeOf(key.expr, schema) !== 'integer')
    throw wrong('a range goes by one ascending integer')
}

function checkParams({ fn, params }: Expr & { op: 'window' }): void {
  const [param] = params ?? []
  if (fn === 'lag' && param !== undefined && !(Number.isSafeInteger(param) && param >= 0))
    throw new MillraceError('MR_PLAN_SHAPE', `lag takes a whole number of rows, not ${param}`)
  if (fn === 'exact_sum' && !(param !== undefined && param > 0 && Number.isInteger(Math.log2(param))))
    throw new MillraceError('MR_PLAN_SHAPE', `exact_sum takes a power of two, not ${param}`)
}

/** By name, for each schema: every expression asks for its columns, and of thousands each would be compared with each. */
const known = new WeakMap<Schema, ReadonlyMap<string, ColumnType>>()

/** The type of a column, or MR_PLAN_COLUMN_UNKNOWN. */
export function columnType(name: string, schema: Schema): ColumnType {
  const types = known.get(schema) ?? new Map(schema.map((field) => [field.name, field.type]))
  known.set(schema, types)
  const type = types.get(name)
  if (type !== undefined) return type
  const names = schema.map((candidate) => candidate.name)
  const near = nearest(name, names)
  throw new MillraceError('MR_PLAN_COLUMN_UNKNOWN', `there is no column ${JSON.stringify(name)}; ${listed(names)}`, {
    ...(near === undefined ? {} : { hint: `did you mean ${JSON.stringify(near)}?` }),
  })
}

/** At most twenty names in words. */
export function listed(names: readonly string[]): string {
  if (names.length === 0) return 'there are none'
  const shown = names.slice(0, 20).map((name) => JSON.stringify(name))
  return `there are ${shown.join(', ')}${names.length > 20 ? ` and ${names.length - 20} more` : ''}`
}

/** The one type that values of all these types can have, or MR_PLAN_TYPE. */
export function unify(what: string, types: readonly ColumnType[]): ColumnType {
  const distinct = [...new Set(types)]
  const [first] = distinct
  if (first === undefined) throw new MillraceError('MR_PLAN_SHAPE', `${what} needs at least one value`)
  if (distinct.length === 1) return first
  if (distinct.every(numeric)) return distinct.includes('number') ? 'number' : 'integer'
  if (distinct.every(time)) return 'timestamp'
  throw new MillraceError('MR_PLAN_TYPE', `${what} is given values of different types: ${distinct.join(', ')}`)
}

function expect(what: string, wanted: readonly ColumnType[], ...types: readonly ColumnType[]): void {
  for (const type of types)
    if (!wanted.includes(type))
      throw new MillraceError('MR_PLAN_TYPE', `${what} takes ${wanted.join(' or ')}, not ${type}`)
}

function count(what: string, args: readonly unknown[], min: number, max = min): void {
  if (args.length < min || args.length > max)
    throw new MillraceError(
      'MR_PLAN_SHAPE',
      `${what} takes ${min === max ? min : `${min} or more`} arguments, not ${args.length}`,
    )
}

function callType(fn: ScalarFunction, types: readonly ColumnType[]): ColumnType {
  const numbers: readonly ColumnType[] = ['number', 'integer', 'boolean']
  switch (fn) {
    case 'add':
    case 'sub':
    case 'mul':
      count(fn, types, 2)
      expect(fn, numbers, ...types)
      return types.includes('number') ? 'number' : 'integer'
    case 'least':
    case 'greatest':
      count(fn, types, 1, Infinity)
      expect(fn, numbers, ...types)
      return types.includes('number') ? 'number' : 'integer'
    case 'neg':
    case 'abs':
      count(fn, types, 1)
      expect(fn, ['number', 'integer'], ...types)
      return types[0] ?? 'number'
    case 'div':
      count(fn, types, 2)
      expect(fn, numbers, ...types)
      return 'number'
    case 'ln':
    case 'exp':
    case 'sqrt':
    case 'floor':
      count(fn, types, 1)
      expect(fn, numbers, ...types)
      return 'number'
    case 'int_div':
    case 'int_mod':
      count(fn, types, 2)
      expect(fn, ['integer'], ...types)
      return 'integer'
    case 'eq':
    case 'ne':
    case 'lt':
    case 'le':
    case 'gt':
    case 'ge':
      count(fn, types, 2)
      unify(fn, types)
      return 'boolean'
    case 'and':
    case 'or':
      count(fn, types, 1, Infinity)
      expect(fn, ['boolean'], ...types)
      return 'boolean'
    case 'not':
      count(fn, types, 1)
      expect(fn, ['boolean'], ...types)
      return 'boolean'
    case 'is_null':
    case 'is_missing':
      count(fn, types, 1)
      return 'boolean'
    case 'is_nan':
      count(fn, types, 1)
      expect(fn, ['number'], ...types)
      return 'boolean'
    case 'coalesce':
      return unify(fn, types)
    case 'nullif':
      count(fn, types, 2)
      return unify(fn, types)
    case 'concat':
      count(fn, types, 1, Infinity)
      expect(fn, ['text'], ...types)
      return 'text'
    case 'lower':
    case 'trim':
    case 'md5':
      count(fn, types, 1)
      expect(fn, ['text'], ...types)
      return 'text'
    case 'substr':
      count(fn, types, 3)
      expect(fn, ['text'], ...types.slice(0, 1))
      expect(fn, ['integer'], ...types.slice(1))
      return 'text'
    case 'matches':
      count(fn, types, 2)
      expect(fn, ['text'], ...types)
      return 'boolean'
    case 'epoch_us':
      count(fn, types, 1)
      expect(fn, ['timestamp', 'date'], ...types)
      return 'integer'
  }
}

/** Aggregates and windows. */
function reduceType(fn: string, types: readonly ColumnType[]): ColumnType {
  switch (fn) {
    case 'row_number':
      count(fn, types, 0)
      return 'integer'
    case 'count':
      count(fn, types, 0, 1)
      return 'integer'
    case 'count_distinct':
      count(fn, types, 1, Infinity)
      return 'integer'
    case 'count_if':
      count(fn, types, 1)
      expect(fn, ['boolean'], ...types)
      return 'integer'
    case 'min':
    case 'max':
    case 'lag':
      count(fn, types, 1)
      return types[0] ?? 'number'
    case 'sum':
      count(fn, types, 1)
      expect(fn, ['number', 'integer', 'boolean'], ...types)
      return types[0] === 'number' ? 'number' : 'integer'
    default:
      count(fn, types, 1)
      expect(fn, ['number', 'integer', 'boolean'], ...types)
      return 'number'
  }
}

/** True if the expression holds an aggregate or a window function anywhere. */
export function holds(expr: Expr, op: 'aggregate' | 'window'): boolean {
  switch (expr.op) {
    case 'column':
    case 'literal':
      return false
    case 'call':
      return expr.args.some((arg) => holds(arg, op))
    case 'case':
      return holds(expr.otherwise, op) || expr.branches.some((b) => holds(b.when, op) || holds(b.then, op))
    case 'cast':
    case 'position':
    case 'in':
      return holds(expr.value, op)
    case 'aggregate':
    case 'window':
      return expr.op === op || expr.args.some((arg) => holds(arg, op))
  }
}

/** Names of the columns that the expression reads, each once, in order of appearance. */
export function columnsOf(expr: Expr, found = new Set<string>()): Set<string> {
  switch (expr.op) {
    case 'column':
      found.add(expr.name)
      break
    case 'literal':
      break
    case 'case':
      for (const branch of expr.branches) columnsOf(branch.then, columnsOf(branch.when, found))
      columnsOf(expr.otherwise, found)
      break
    case 'cast':
    case 'position':
    case 'in':
      columnsOf(expr.value, found)
      break
    case 'call':
      for (const arg of expr.args) columnsOf(arg, found)
      break
    case 'aggregate':
      for (const arg of expr.args) columnsOf(arg, found)
      if (expr.filter !== undefined) columnsOf(expr.filter, found)
      break
    case 'window':
      for (const arg of [...expr.args, ...expr.partitionBy, ...expr.orderBy.map((o) => o.expr)]) columnsOf(arg, found)
      break
  }
  return found
}
