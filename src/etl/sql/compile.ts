/**
 * Relations to SQL text: one SELECT a node, nested, every column listed with AS, every null order written out. The
 * same relation gives the same text, and what an engine does differently stands in its dialect's tables.
 */
import { MillraceError } from '../../core/errors.js'
import type { Schema } from '../../core/schema.js'
import type { CompiledQuery, Dialect } from '../engine.js'
import { text, type Expr, type Frame, type Named, type OrderKey } from '../expr.js'
import { lower } from '../lower.js'
import type { Relation } from '../relation.js'
import { columnsOf, typeOf } from '../types.js'
import { fill, type LoweredFunction, type SqlDialect } from './dialect.js'

/** The engine-facing face of a dialect's tables. */
export function dialect(tables: SqlDialect): Dialect {
  const known = new Set([tables.functions, tables.aggregates, tables.windows].flatMap((table) => Object.keys(table)))
  for (const op of ['is_missing', 'case', 'cast', 'position', 'in', 'column', 'literal']) known.add(op)
  return {
    name: tables.name,
    supports: (op) => known.has(op),
    compile: (relation): CompiledQuery => ({ sql: compile(relation, tables), schema: relation.schema }),
  }
}

/** One SELECT statement, without a semicolon. */
export function compile(relation: Relation, tables: SqlDialect): string {
  const id = (name: string): string => tables.identifier(name)
  const from = (input: Relation, alias = 'q'): string => `FROM (\n${indent(compile(input, tables))}\n) AS ${alias}`
  switch (relation.kind) {
    case 'scan':
      return tables.scan(relation)
    case 'project':
      return `SELECT\n${list(relation.columns, relation.input, tables)}\n${from(relation.input)}`
    case 'filter':
      return `SELECT *\n${from(relation.input)}\nWHERE ${expression(relation.predicate, relation.input, tables)}`
    case 'aggregate': {
      const columns = list([...relation.groupBy, ...relation.aggregates], relation.input, tables)
      const keys = relation.groupBy.map((_, i) => i + 1).join(', ')
      return `SELECT\n${columns}\n${from(relation.input)}${keys === '' ? '' : `\nGROUP BY ${keys}`}`
    }
    case 'window':
      // not one by one: Spark 4.3 loses a column that stands beside a window of it over a union that begins with a literal
      return `SELECT *${relation.columns.map((one) => `,\n${list([one], relation.input, tables)}`).join('')}\n${from(relation.input)}`
    case 'union':
      return relation.inputs.map((input) => `SELECT *\n${from(input)}`).join('\nUNION ALL\n')
    case 'join': {
      const { left, right, how } = relation
      const on = relation.on.map(
        (pair) => `${expression(pair.left, left, tables, 'l')} = ${expression(pair.right, right, tables, 'r')}`,
      )
      const side = (schema: Schema, alias: string): string[] =>
        schema.map(({ name }) => `  ${alias}.${id(name)} AS ${id(name)}`)
      const both = how === 'inner' || how === 'left'
      const columns = [...side(left.schema, 'l'), ...(both ? side(right.schema, 'r') : [])].join(',\n')
      const joined = `(\n${indent(compile(right, tables))}\n) AS r`
      return `SELECT\n${columns}\n${from(left, 'l')}\n${how.toUpperCase()} JOIN ${joined}\nON ${on.join(' AND ')}`
    }
    case 'sort': {
      // what reads no column orders nothing, and DuckDB refuses it where it is a literal
      const by = relation.by.filter(({ expr }) => columnsOf(expr).size > 0)
      const rows = `SELECT *\n${from(relation.input)}`
      return by.length === 0 ? rows : `${rows}\n${ordering(by, relation.input, tables)}`
    }
    case 'limit': {
      const { input, count, offset } = relation
      const rows = `LIMIT ${count}${offset === undefined ? '' : ` OFFSET ${offset}`}`
      if (input.kind === 'sort') return `${compile(input, tables)}\n${rows}`
      return `SELECT *\n${from(input)}\n${rows}`
    }
  }
}

/** `ORDER BY …`, nulls written out. */
export function ordering(by: readonly OrderKey[], relation: Relation, tables: SqlDialect, alias?: string): string {
  const keys = by.map(
    (key) =>
      `${expression(key.expr, relation, tables, alias)} ${key.descending === true ? 'DESC' : 'ASC'} ` +
      `NULLS ${key.nulls === 'first' ? 'FIRST' : 'LAST'}`,
  )
  return `ORDER BY ${keys.join(', ')}`
}

/** An expression over the rows of `relation`, each written behind `alias.` if one is given. */
export function expression(expr: Expr, relation: Relation, tables: SqlDialect, alias?: string): string {
  return emit(lower(expr, relation), relation, tables, alias)
}

function list(columns: readonly Named[], relation: Relation, tables: SqlDialect): string {
  return columns
    .map(({ name, expr }) => `  ${expression(expr, relation, tables)} AS ${tables.identifier(name)}`)
    .join(',\n')
}

function emit(expr: Expr, relation: Relation, tables: SqlDialect, alias: string | undefined): string {
  const sql = (inner: Expr): string => emit(inner, relation, tables, alias)
  switch (expr.op) {
    case 'column': {
      typeOf(expr, relation.schema)
      return `${alias === undefined ? '' : `${alias}.`}${tables.identifier(expr.name)}`
    }
    case 'literal':
      return tables.literal(expr)
    case 'call':
      if (expr.fn === 'matches') return matches(expr, sql, tables)
      return fill(tables.functions[expr.fn as LoweredFunction], expr.args.map(sql))
    case 'case': {
      const branches = expr.branches.map((branch) => `WHEN ${sql(branch.when)} THEN ${sql(branch.then)}`)
      return `CASE ${branches.join(' ')} ELSE ${sql(expr.otherwise)} END`
    }
    case 'cast':
      return tables.cast(sql(expr.value), typeOf(expr.value, relation.schema), expr.to, expr.lenient ?? false)
    case 'position':
      return tables.position(sql(expr.value), expr.values)
    case 'in':
      return tables.contains(sql(expr.value), typeOf(expr.value, relation.schema), expr.values, expr.type)
    case 'aggregate': {
      const args = expr.args.map(sql)
      const where = expr.filter === undefined ? '' : ` FILTER (WHERE ${sql(expr.filter)})`
      const params = (expr.params ?? []).map((value) => tables.literal({ op: 'literal', value, type: 'number' }))
      if (expr.fn === 'count' && args.length === 0) return `count(*)${where}`
      const whole = fill(tables.aggregates[expr.fn], [...args, ...params])
      return sized(expr, `${whole}${where}`, relation, tables)
    }
    case 'window': {
      const args = [...expr.args.map(sql), ...windowParams(expr).map((param) => tables.literal(param))]
      const call = expr.fn === 'count' && args.length === 0 ? 'count(*)' : fill(tables.windows[expr.fn], args)
      const by = expr.partitionBy.map(sql)
      const parts = [
        ...(by.length === 0 ? [] : [`PARTITION BY ${by.join(', ')}`]),
        ...(expr.orderBy.length > 0 ? [ordering(expr.orderBy, relation, tables, alias)] : anyOrder(expr, tables)),
        ...(expr.frame === undefined ? [] : [frameSql(expr.frame)]),
      ]
      return sized(expr, `${call} OVER (${parts.join(' ')})`, relation, tables)
    }
  }
}

function matches({ args }: Expr & { op: 'call' }, sql: (inner: Expr) => string, tables: SqlDialect): string {
  const [value = text(''), pattern] = args
  if (pattern?.op !== 'literal' || typeof pattern.value !== 'string')
    throw new MillraceError('MR_PLAN_SHAPE', 'the pattern of matches must be a literal: it is written for the engine')
  const literal = tables.literal({ ...pattern, value: tables.pattern(pattern.value) })
  return fill(tables.functions.matches, [sql(value), literal])
}

const anyOrder = ({ fn }: Expr & { op: 'window' }, tables: SqlDialect): readonly string[] =>
  tables.anyOrder !== '' && (fn === 'row_number' || fn === 'lag') ? [tables.anyOrder] : []

function windowParams({ fn, params = [] }: Expr & { op: 'window' }): (Expr & { op: 'literal' })[] {
  if (fn === 'lag') return [{ op: 'literal', value: params[0] ?? 1, type: 'integer' }]
  return params.map((value) => ({ op: 'literal', value, type: 'number' }))
}

function frameSql({ unit, from, to }: Frame): string {
  const start = from === 'unbounded' ? 'UNBOUNDED' : String(from)
  return `${unit.toUpperCase()} BETWEEN ${start} PRECEDING AND ${to} PRECEDING`
}

/**
 * Engines widen integer sums: brought back to 64 bits around the whole call, filter and window included. Likewise exact
 * sums to doubles.
 */
function sized(
  expr: Expr & { op: 'aggregate' | 'window' },
  sql: string,
  relation: Relation,
  tables: SqlDialect,
): string {
  if (expr.fn === 'exact_sum') {
    const scale = tables.literal({ op: 'literal', value: expr.params?.[0] ?? 1, type: 'number' })
    return fill(tables.exactSum, [sql, scale])
  }
  if (expr.fn === 'row_number') return fill(tables.rowNumber, [sql])
  const widened = (expr.fn === 'sum' && typeOf(expr, relation.schema) === 'integer') || expr.fn === 'count_if'
  return widened ? fill(tables.integerSum, [sql]) : sql
}

/** Two spaces before each line; lines inside of quotes are left as they are. */
function indent(sql: string): string {
  return `  ${sql.replace(/'[^']*'|"[^"]*"|`[^`]*`|\n/g, (found) => (found === '\n' ? '\n  ' : found))}`
}
