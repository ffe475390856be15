/**
 * `row_condition` of an expectation: the rows that it is about. Version 1 writes conditions as objects; older suites as
 * text for a parser, of which single comparisons are read (`col("x") > 5`, `x == 'a'`, `col("x").notNull()`).
 */
import type { Schema } from '../core/schema.js'
import { call, col, type Expr, type ScalarFunction } from './expr.js'
import { literalExpr, Unchecked } from './expectation.js'
import { all, any, not, present, surely } from './rule.js'
import { columnType } from './types.js'

interface Condition {
  /** Absent: all rows. */
  readonly condition?: Expr
  readonly where: string
}

const OPERATORS: Readonly<Record<string, ScalarFunction>> = {
  '==': 'eq',
  '!=': 'ne',
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
}

/** Throws `Unchecked` for what cannot be read. */
export function conditionOf(given: unknown, schema: Schema): Condition {
  if (given === undefined || given === null) return { where: '' }
  const { expr, words } = typeof given === 'string' ? ofText(given, schema) : ofObject(given, schema)
  return { condition: expr, where: ` where ${words}` }
}

interface Part {
  readonly expr: Expr
  readonly words: string
}

function ofText(given: string, schema: Schema): Part {
  const name = /^\s*(?:col\((?:"([^"]*)"|'([^']*)')\)|([A-Za-z_]\w*))/.exec(given)
  const column = name?.[1] ?? name?.[2] ?? name?.[3]
  const rest = given.slice(name?.[0].length ?? 0).trim()
  const value = /^(==|!=|<=|>=|<|>)\s*(?:(-?\d+(?:\.\d+)?)|"([^"]*)"|'([^']*)')$/.exec(rest)
  if (column !== undefined && /^\.not_?null\(\)$/i.test(rest)) return nullity(column, false, schema)
  if (column === undefined || value === null)
    throw new Unchecked(`its row_condition ${JSON.stringify(given)} is not read`)
  const parameter = value[2] === undefined ? (value[3] ?? value[4] ?? '') : Number(value[2])
  return comparison(column, value[1] ?? '', parameter, schema)
}

function ofObject(given: unknown, schema: Schema): Part {
  const object = (typeof given === 'object' && given !== null ? given : {}) as Readonly<Record<string, unknown>>
  const named = object['column']
  const column = typeof named === 'object' && named !== null && 'name' in named ? named.name : named
  switch (object['type']) {
    case 'comparison':
      if (typeof column !== 'string') break
      return comparison(column, String(object['operator']), object['parameter'], schema)
    case 'nullity':
      if (typeof column !== 'string') break
      return nullity(column, object['is_null'] === true, schema)
    case 'and':
    case 'or': {
      const conditions = object['conditions']
      if (!Array.isArray(conditions) || conditions.length === 0) break
      const parts = conditions.map((one) => ofObject(one, schema))
      const exprs = parts.map(({ expr }) => expr)
      const words = parts.map((part) => part.words).join(` ${object['type']} `)
      return { expr: object['type'] === 'and' ? all(exprs) : any(exprs), words: `(${words})` }
    }
    case 'pass_through':
      return ofText(String(object['pass_through_filter']), schema)
  }
  throw new Unchecked(`its row_condition ${JSON.stringify(given)} is not read`)
}

function known(column: string, schema: Schema): void {
  if (!schema.some(({ name }) => name === column))
    throw new Unchecked(`its row_condition names ${JSON.stringify(column)}, and there is no such column`)
}

function nullity(column: string, isNull: boolean, schema: Schema): Part {
  known(column, schema)
  const expr = isNull ? not(present(column)) : present(column)
  return { expr, words: `${column} is ${isNull ? '' : 'not '}missing` }
}

function comparison(column: string, operator: string, parameter: unknown, schema: Schema): Part {
  known(column, schema)
  const type = columnType(column, schema)
  const literal = (value: unknown): Expr => {
    const expr = literalExpr(value, type)
    if (expr === undefined)
      throw new Unchecked(`its row_condition compares ${column}, which is ${type}, with ${JSON.stringify(value)}`)
    return expr
  }
  if (operator === 'IN' || operator === 'NOT_IN') {
    const values = Array.isArray(parameter) ? (parameter as readonly unknown[]) : [parameter]
    const isIn = any(values.map((value) => call('eq', col(column), literal(value))))
    const words = `${column} is ${operator === 'IN' ? '' : 'not '}one of ${values.join(', ')}`
    return { expr: surely(operator === 'IN' ? isIn : call('and', present(column), not(isIn))), words }
  }
  const fn = OPERATORS[operator]
  if (fn === undefined) throw new Unchecked(`its row_condition compares by ${operator}`)
  const expr = surely(call(fn, col(column), literal(parameter)))
  return { expr, words: `${column} ${operator} ${String(parameter)}` }
}
