/** What is known to be never NaN and never '', and what SQL is spared by it: nothing that could be so goes unasked. */
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rows, ROWS_SCHEMA, scalar } from '../../test/engines/expressions.js'
import { head } from '../transforms/chain.js'
import { aggregate, call, cast, col, type Expr, int, missing, num, position, text, when } from './expr.js'
import { isNullOnly } from './missing.js'
import {
  aggregated,
  filter,
  limit,
  project,
  type Relation,
  scan,
  sort,
  union,
  windowed,
  withColumns,
} from './relation.js'
import { compile, expression } from './sql/compile.js'
import type { SqlDialect } from './sql/dialect.js'
import { duckdb } from './sql/duckdb.js'
import { spark } from './sql/spark-scan.js'
import { typeOf } from './types.js'

const table = scan({ format: 'parquet', paths: ['rows'] }, ROWS_SCHEMA)
const [x, s, t, i] = [col('x'), col('s'), col('t'), col('i')]
/** The same rows, of whose values nothing is known. */
const unknown = union([table])
const zeroByZero = call('mul', call('sub', x, x), num(Infinity))

describe('what is never NaN and never empty', () => {
  const known: Readonly<Record<string, Expr>> = {
    'a number of the scan': x,
    'a text of the scan': s,
    'a literal': num(0),
    NULL: missing('text'),
    'a time as a number': cast(call('epoch_us', t), 'number'),
    'a whole number as a single': cast(i, 'float32'),
    'a number as a single': cast(x, 'float32'),
    'the text of a number that may be NaN': cast(zeroByZero, 'text'),
    'a truth value': call('gt', zeroByZero, x),
    'a place in a list': position(call('trim', s), ['a']),
    'one of such': when(call('is_nan', zeroByZero), x, num(1)),
    'the first of such': call('coalesce', x, i, num(0)),
    'such or NULL': call('nullif', x, zeroByZero),
    'no NaN': call('nullif', zeroByZero, num(NaN)),
    'no empty text': call('nullif', call('trim', s), text('')),
  }
  it.each(Object.entries(known))('%s', (_, expr) => {
    expect(isNullOnly(expr, table)).toBe(true)
  })
  const open: Readonly<Record<string, Expr>> = {
    NaN: num(NaN),
    'an empty text': text(''),
    'infinity less infinity': call('sub', x, x),
    'nothing times infinity': zeroByZero,
    'a quotient': call('div', x, x),
    'a root': call('sqrt', x),
    'a number in a text': cast(s, 'number'),
    'a number that may stand in a text': cast(s, 'number', true),
    'a single in a text': cast(s, 'float32'),
    'a part of a text': call('substr', s, int(1), int(1)),
    'a trimmed text': call('trim', s),
    'one of which one may be': when(call('is_null', x), num(0), call('sqrt', x)),
    'one of which the last may be': when(call('is_null', s), call('trim', s), text('a')),
    'the first of which one may be': call('coalesce', x, zeroByZero),
    'not another than NaN': call('nullif', zeroByZero, num(0)),
    'not another than the empty text': call('nullif', call('trim', s), text(' ')),
  }
  it.each(Object.entries(open))('not %s', (_, expr) => {
    expect(isNullOnly(expr, table)).toBe(false)
  })
  it('is followed through filters, sorts, limits and projections, to where it is not known', () => {
    const below = (relation: Relation): Relation =>
      limit(sort(filter(relation, call('gt', x, num(0))), [{ expr: i }]), 9)
    const made = (relation: Relation): Relation => withColumns(below(relation), [{ name: 'y', expr: call('sqrt', x) }])
    const renamed = (relation: Relation): Relation =>
      project(made(relation), [
        { name: 'y', expr: x },
        { name: 'x', expr: col('y') },
      ])
    expect(['x', 'y'].map((name) => isNullOnly(col(name), made(table)))).toEqual([true, false])
    expect(['x', 'y'].map((name) => isNullOnly(col(name), renamed(table)))).toEqual([false, true])
    expect(['x', 'y'].map((name) => isNullOnly(col(name), renamed(unknown)))).toEqual([false, false])
  })
  it('is found once for a relation, however often what stands on it asks', () => {
    let relation = table
    for (let k = 0; k < 60; k++) relation = withColumns(relation, [{ name: 'x', expr: call('coalesce', x, x) }])
    expect(isNullOnly(x, relation)).toBe(true)
  })
  it('is by type alone behind what rows meet in', () => {
    const count: Expr = { op: 'window', fn: 'count', args: [], partitionBy: [], orderBy: [] }
    for (const relation of [
      unknown,
      windowed(table, [{ name: 'n', expr: count }]),
      aggregated(table, [{ name: 'x', expr: x }], [{ name: 'n', expr: aggregate('count', []) }]),
    ])
      expect(relation.schema.filter(({ name }) => isNullOnly(col(name), relation)).map(({ type }) => type)).toEqual(
        relation.schema.flatMap(({ type }) => (type === 'number' || type === 'text' ? [] : [type])),
      )
  })
})

describe.each([duckdb, spark])('SQL of $name asks once', (tables) => {
  const sql = (expr: Expr, relation: Relation = table): string => expression(expr, relation, tables)
  const [x_, s_] = [tables.identifier('x'), tables.identifier('s')]
  const feature = head({ name: 'x', type: 'number' }).expr
  it('where only NULL can be missing', () => {
    expect(sql(call('is_missing', x))).toBe(`(${x_} IS NULL)`)
    expect(sql(call('is_missing', s))).toBe(`(${s_} IS NULL)`)
    const time = cast(call('epoch_us', t), 'number')
    expect(sql(call('is_missing', time))).toBe(`(${sql(time)} IS NULL)`)
    expect(sql(call('nullif', x, num(NaN)))).toBe(x_)
    expect(sql(call('nullif', s, text('')))).toBe(s_)
  })
  it('and not at all before the first step of a column', () => {
    expect(sql(feature)).toBe(x_)
    expect(sql(call('coalesce', feature, num(1)))).toBe(`coalesce(${x_}, 1e0)`)
    // a whole number where the plan was told a number
    const whole = head({ name: 'i', type: 'number' }).expr
    expect(sql(whole)).toBe(sql(cast(i, 'number')))
    expect(sql(when(call('is_null', s), missing('number'), cast(cast(s, 'integer'), 'number')))).toBe(
      sql(cast(cast(s, 'integer'), 'number')),
    )
  })
  it('but for NaN and empty texts that were made in between', () => {
    for (const made of [zeroByZero, call('sqrt', x), cast(s, 'number', true)]) {
      const relation = withColumns(table, [{ name: 'x', expr: made }])
      expect(sql(call('is_missing', x), relation)).toBe(`((${x_} IS NULL) OR isnan(${x_}))`)
      expect(sql(call('is_missing', made))).toContain('OR isnan(')
      expect(sql(feature, relation)).toMatch(/^CASE WHEN .* IS NULL\) OR isnan\(.*\) THEN CAST\(NULL AS DOUBLE\) ELSE/)
    }
    for (const made of [call('substr', s, int(1), int(1)), call('trim', s)]) {
      const relation = withColumns(table, [{ name: 's', expr: made }])
      expect(sql(call('is_missing', s), relation)).toBe(`((${s_} IS NULL) OR (${s_} = ''))`)
      expect(sql(call('is_missing', made))).toContain(` = '')`)
      expect(sql(call('nullif', made, text('')))).toMatch(/^nullif\(/)
    }
  })
  it('and keeps what asks for something else', () => {
    for (const kept of [
      when(call('is_null', x), missing('number'), col('y')),
      when(call('is_null', x), num(0), x),
      when(call('not', call('is_null', x)), missing('number'), x),
      when(call('is_null', x), missing('number'), call('neg', x)),
      {
        op: 'case',
        branches: [
          { when: call('is_null', x), then: missing('number') },
          { when: col('b'), then: num(0) },
        ],
        otherwise: x,
      } satisfies Expr,
    ])
      expect(sql(kept)).toMatch(/^CASE WHEN .* END$/)
  })
})

/** As a column's first step takes it. */
const first = (expr: Expr): Expr =>
  when(call('is_missing', expr), missing(typeOf(expr, ROWS_SCHEMA)), cast(expr, typeOf(expr, ROWS_SCHEMA)))
/** For a message. */
const shown = (expr: Expr): string =>
  JSON.stringify(expr, (_, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one))

it(
  'random values are missing where SQL says so, of rows without NaN and empty texts',
  { timeout: 60_000 },
  async () => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    await connection.run(`SET TimeZone = 'UTC'`)
    const isThere = (value: unknown): boolean => value !== null && value !== '' && !Number.isNaN(value)
    let spared = 0
    const values = scalar.filter((expr) => ['number', 'text', 'integer'].includes(typeOf(expr, ROWS_SCHEMA)))
    await fc.assert(
      fc.asyncProperty(
        fc.array(values, { minLength: 30, maxLength: 30 }),
        fc.array(rows, { minLength: 12, maxLength: 12 }),
        async (exprs, some) => {
          const over: SqlDialect = {
            ...duckdb,
            scan: ({ schema }) => {
              const lines = some.map((row) =>
                schema.map(({ name, type }) => {
                  const value = row[name]
                  return duckdb.literal({ op: 'literal', value: isThere(value) ? (value ?? null) : null, type })
                }),
              )
              const names = schema.map(({ name }) => duckdb.identifier(name))
              return `SELECT * FROM (VALUES ${lines.map((line) => `(${line.join(', ')})`).join(', ')}) AS v(${names.join(', ')})`
            },
          }
          const each = exprs.map((expr, k) => ({ expr, name: `v${k}` }))
          const made = project(table, [
            ...each,
            ...each.map(({ expr, name }) => ({ name: `here ${name}`, expr: call('is_missing', expr) })),
            ...each.map(({ expr, name }) => ({ name: `first ${name}`, expr: first(expr) })),
          ])
          const all = withColumns(
            made,
            each.map(({ name }) => ({ name: `above ${name}`, expr: call('is_missing', col(name)) })),
          )
          spared += each.filter(({ expr }) => isNullOnly(expr, table) && typeOf(expr, ROWS_SCHEMA) !== 'integer').length
          const found = (await connection.runAndReadAll(compile(all, over))).getRowObjectsJS()
          for (const row of found)
            for (const { name, expr } of each) {
              const value = row[name]
              const told = ['here', 'above', 'first'].map((what) => row[`${what} ${name}`])
              const is = isThere(value)
              expect(told, shown(expr)).toEqual([!is, !is, is ? value : null])
            }
        },
      ),
      { numRuns: 5, endOnFailure: true },
    )
    expect(spared).toBeGreaterThan(10)
    connection.closeSync()
  },
)
