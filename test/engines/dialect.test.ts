/**
 * One meaning of SQL: every expression and relation has the same values on Spark as on DuckDB; so have random ones on
 * random rows. Many expressions go into one query, as each costs Spark a fifth of a second.
 */
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Schema } from '../../src/core/schema.js'
import {
  aggregate,
  call,
  cast,
  col,
  int,
  num,
  text,
  type Expr,
  type Frame,
  type LiteralValue,
  type Named,
  type WindowFunction,
  when,
} from '../../src/etl/expr.js'
import {
  aggregated,
  filter,
  join,
  limit,
  project,
  type Relation,
  scan,
  select,
  sort,
  union,
  windowed,
} from '../../src/etl/relation.js'
import { SparkSession } from '../../src/etl/spark/connect/session.js'
import { settings } from '../../src/etl/spark/settings.js'
import { compile, expression } from '../../src/etl/sql/compile.js'
import type { SqlDialect } from '../../src/etl/sql/dialect.js'
import { duckdb } from '../../src/etl/sql/duckdb.js'
import { sparkDialect } from '../../src/etl/sql/spark.js'
import { typeOf } from '../../src/etl/types.js'
import { EXPRESSIONS } from '../conformance/engine-expressions.js'
import { ROWS_SCHEMA, rows, scalar, wrong } from './expressions.js'

type Row = Readonly<Record<string, LiteralValue>>

let embedded: DuckDBConnection
let spark: SparkSession

beforeAll(async () => {
  embedded = await (await DuckDBInstance.create(':memory:')).connect()
  await embedded.run(`SET TimeZone = 'UTC'`)
  spark = await SparkSession.connect(inject('spark').address)
  // the texts hold also where Spark would replace `${name}` in them
  await spark.config({ ...settings(2), 'spark.sql.variable.substitute': 'true' })
})
afterAll(async () => {
  await spark[Symbol.asyncDispose]()
  embedded.closeSync()
})

/**
 * A relation of these rows, which a dialect of `over` reads from literals. Of a scan itself it would be known that nothing
 * is NaN or '', as these are.
 */
const table = (schema: Schema): Relation => union([scan({ format: 'parquet', paths: ['rows'] }, schema)])

/** The dialect with rows in place of files. */
function over(tables: SqlDialect, data: ReadonlyMap<Schema, readonly Row[]>): SqlDialect {
  const literals: SqlDialect = {
    ...tables,
    scan({ schema }) {
      const lines = (data.get(schema) ?? []).map((row) =>
        schema.map(({ name, type }) => tables.literal({ op: 'literal', value: row[name] ?? null, type })).join(', '),
      )
      const names = schema.map(({ name }) => tables.identifier(name)).join(', ')
      return `SELECT * FROM (VALUES\n${lines.map((line) => `(${line})`).join(',\n')}) AS v(${names})`
    },
  }
  return literals
}
/** Characters of an expression's text: Spark's parser takes long for nested ones, and a third of its heap. */
const LONGEST = 1500
const sparkTables = sparkDialect(() => '')

/** Values as `Engine.rows` gives them, times in microseconds; NaN stays. */
async function onSpark(relation: Relation, data: ReadonlyMap<Schema, readonly Row[]>): Promise<unknown[][]> {
  const found: unknown[][] = []
  for await (const batch of spark.batches(spark.sql(compile(plain(relation), over(sparkTables, data)))))
    for (let i = 0; i < batch.numRows; i++) found.push(batch.children.map((column): unknown => column.at(i)))
  return found
}
async function onDuckDb(relation: Relation, data: ReadonlyMap<Schema, readonly Row[]>): Promise<unknown[][]> {
  const reader = await embedded.runAndReadAll(compile(plain(relation), over(duckdb, data)))
  return reader.getRowsJS()
}

/** The relation with times as integers and truth values as 0 and 1: both sides then give numbers, bigints and texts. */
function plain(relation: Relation): Relation {
  const columns = relation.schema.map(({ name, type }): Named => {
    if (type === 'timestamp' || type === 'date') return { name, expr: call('epoch_us', col(name)) }
    return { name, expr: type === 'boolean' ? cast(col(name), 'integer') : col(name) }
  })
  // a projection hides a sort from no engine, but a relation without times is compared as it is
  return columns.every(({ expr }) => expr.op === 'column') ? relation : project(relation, columns)
}

/** Equal but for the last bits of numbers. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return a === b
  return Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b), 1e-300)
}
function differences(
  found: readonly (readonly unknown[])[],
  wanted: readonly (readonly unknown[])[],
  what: (column: number) => string,
): string[] {
  if (found.length !== wanted.length) return [`${found.length} rows, not ${wanted.length}`]
  return wanted.flatMap((row, i) =>
    row.flatMap((value, j) =>
      same(found[i]?.[j], value)
        ? []
        : [`row ${i}: ${what(j)} is ${shown(found[i]?.[j])} on Spark, ${shown(value)} on DuckDB`],
    ),
  )
}
const shown = (value: unknown): string =>
  typeof value === 'number' && !Number.isFinite(value)
    ? String(value)
    : (JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one)) ?? 'undefined')

describe('expressions', () => {
  const SCHEMA: Schema = [
    { name: 'id', type: 'integer' },
    { name: 'k', type: 'text' },
    { name: 'x', type: 'number' },
    { name: 's', type: 'text' },
  ]
  const data = new Map([[SCHEMA, [{ id: 1n, k: 'a', x: 1.5, s: 'one' }]]])
  let found: readonly unknown[] = []
  beforeAll(async () => {
    const columns = EXPRESSIONS.map(({ expr }, i) => ({ name: `c${i}`, expr }))
    found = (await onSpark(project(table(SCHEMA), columns), data))[0] ?? []
  })
  it.each(EXPRESSIONS.map((one, i) => ({ ...one, i })))('$label', ({ expr, value, i }) => {
    const isTruth = typeOf(expr, SCHEMA) === 'boolean' && value !== null
    const wanted = isTruth ? BigInt(value === true) : value
    expect(Object.is(found[i], NaN) ? null : found[i]).toEqual(wanted)
  })
})

describe('random expressions', () => {
  it('have the same values on random rows', { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          scalar.filter((expr) => expression(expr, table(ROWS_SCHEMA), sparkTables).length < LONGEST),
          { minLength: 50, maxLength: 50 },
        ),
        fc.array(rows, { minLength: 12, maxLength: 12 }),
        async (exprs, some) => {
          const data = new Map([[ROWS_SCHEMA, some]])
          const relation = project(
            table(ROWS_SCHEMA),
            exprs.map((expr, i) => ({ name: `c${i}`, expr })),
          )
          const [found, wanted] = [await onSpark(relation, data), await onDuckDb(relation, data)]
          expect(differences(found, wanted, (j) => shown(exprs[j]))).toEqual([])
        },
      ),
      { numRuns: 6, endOnFailure: true },
    )
  })
  it.each(wrong)('$label fails on both', async ({ expr }) => {
    const data = new Map([[ROWS_SCHEMA, [{ i: 1n, x: 1, s: 'a', b: true }]]])
    const relation = project(table(ROWS_SCHEMA), [{ name: 'v', expr }])
    await expect(onDuckDb(relation, data)).rejects.toThrow()
    await expect(onSpark(relation, data)).rejects.toThrow()
  })
})

describe('relations', () => {
  const SCHEMA: Schema = [
    ...ROWS_SCHEMA.filter(({ name }) => !['j', 'y'].includes(name)),
    { name: 'id', type: 'integer' },
    { name: 'k', type: 'text' },
    { name: 'n', type: 'integer' },
  ]
  const OTHER: Schema = [
    { name: 'k2', type: 'text' },
    { name: 'x2', type: 'number' },
    { name: 'label', type: 'text' },
  ]
  const [all, other] = [table(SCHEMA), table(OTHER)]
  const keys = fc.constantFrom('a', 'b', 'B', 'é', '', null)
  const finite = fc.option(fc.oneof(fc.integer({ min: -9, max: 9 }), fc.double({ min: -1e4, max: 1e4, noNaN: true })))
  const some = fc
    .array(fc.tuple(rows, keys, finite, fc.option(fc.bigInt({ min: 0n, max: 30n }))), { minLength: 60, maxLength: 60 })
    .map((list) => list.map(([row, k, x, n], id): Row => ({ ...row, k, x, n, id: BigInt(id), i: BigInt(id % 7) })))
  const others = fc.array(fc.record({ k2: keys, x2: finite, label: fc.constantFrom('p', 'q') }), {
    minLength: 5,
    maxLength: 8,
  })
  const named = (columns: Readonly<Record<string, Expr>>): Named[] =>
    Object.entries(columns).map(([name, expr]) => ({ name, expr }))
  const window = (
    fn: WindowFunction,
    args: readonly Expr[],
    frame?: Frame,
    params?: readonly number[],
    by = [col('k')],
  ): Expr & { op: 'window' } => ({
    ...{ op: 'window', fn, args, partitionBy: by },
    orderBy: frame?.unit === 'range' ? [{ expr: col('n') }] : [{ expr: col('n') }, { expr: col('id') }],
    ...(frame !== undefined && { frame }),
    ...(params !== undefined && { params }),
  })
  const range: Frame = { unit: 'range', from: 5n, to: 1n }
  const wide: Frame = { unit: 'range', from: 604_800_000_000n, to: 0n }
  const last: Frame = { unit: 'rows', from: 3n, to: 1n }
  const ever: Frame = { unit: 'rows', from: 'unbounded', to: 0n }
  const sums = [0, 20, 40, 52, 60, 70].map((power): readonly [string, Expr] => [
    `exact${power}`,
    window('exact_sum', [col('x')], ever, [2 ** power], []),
  ])
  const aggregates = named({
    rows: aggregate('count', []),
    present: aggregate('count', [col('x')]),
    if: aggregate('count_if', [col('b')]),
    distinct: aggregate('count_distinct', [col('s')]),
    pairs: aggregate('count_distinct', [col('k'), col('n')]),
    sum: aggregate('sum', [col('x')]),
    whole: aggregate('sum', [col('i')]),
    truth: aggregate('sum', [col('b')]),
    avg: aggregate('avg', [col('n')]),
    min: aggregate('min', [col('s')]),
    max: aggregate('max', [col('t')]),
    first: aggregate('min', [col('t')]),
    last: aggregate('max', [col('d')]),
    times: aggregate('count_distinct', [col('t')]),
    days: aggregate('count_distinct', [col('d'), cast(col('t'), 'date')]),
    least: aggregate('min', [col('x')]),
    sd: aggregate('stddev_samp', [col('x')]),
    variance: aggregate('var_pop', [col('x')]),
    median: aggregate('quantile', [col('x')], [0.5]),
    tenth: aggregate('quantile', [col('n')], [0.1]),
    some: { op: 'aggregate', fn: 'sum', args: [col('n')], filter: call('is_missing', col('s')) },
  })
  const byId = (relation: Relation): Relation => sort(relation, [{ expr: col('id') }])
  const twin = project(all, named({ t2: col('t'), d2: col('d'), id2: col('id') }))
  const pair = (how: 'inner' | 'left' | 'semi' | 'anti'): Relation => {
    const joined = join(select(all, ['id', 'k', 'x']), other, how, [{ left: col('k'), right: col('k2') }])
    return sort(
      joined,
      joined.schema.map(({ name }) => ({ expr: col(name) })),
    )
  }
  const cases: Record<string, Relation> = {
    values: byId(filter(all, call('gt', col('x'), num(-5)))),
    'aggregates of all': aggregated(all, [], aggregates),
    'aggregates of nothing': aggregated(filter(all, call('lt', col('id'), int(0))), [], aggregates),
    groups: sort(aggregated(all, named({ key: call('coalesce', col('k'), text('-')) }), aggregates), [
      { expr: col('key') },
    ]),
    'groups of times': sort(
      aggregated(
        all,
        named({ t: when(col('b'), col('t'), col('d')), d: cast(col('t'), 'date') }),
        aggregates.slice(0, 3),
      ),
      [
        { expr: col('t'), descending: true },
        { expr: col('d'), nulls: 'first' },
      ],
    ),
    'windows by time': byId(
      windowed(
        select(all, ['id', 'k', 'n', 't', 'd']),
        named({
          before: { ...window('lag', [col('t')]), orderBy: [{ expr: col('t') }, { expr: col('id') }] },
          place: { ...window('row_number', []), orderBy: [{ expr: col('d'), nulls: 'first' }, { expr: col('id') }] },
          latest: window('max', [col('t')], ever),
        }),
      ),
    ),
    'groups of two': sort(aggregated(all, named({ k: col('k'), b: col('b') }), aggregates.slice(0, 3)), [
      { expr: col('k'), nulls: 'first' },
      { expr: col('b') },
    ]),
    ...Object.fromEntries((['inner', 'left', 'semi', 'anti'] as const).map((how) => [`${how} join`, pair(how)])),
    'join of numbers': sort(
      join(select(all, ['id', 'x']), other, 'inner', [{ left: col('x'), right: col('x2') }]),
      ['id', 'label', 'k2'].map((name) => ({ expr: col(name) })),
    ),
    'join of times': sort(
      join(select(all, ['id', 't']), twin, 'inner', [{ left: col('t'), right: cast(col('d2'), 'timestamp') }]),
      ['id', 'id2'].map((name) => ({ expr: col(name) })),
    ),
    windows: byId(
      windowed(
        select(all, ['id', 'k', 'x', 'n', 's', 'b', 'i']),
        named({
          place: window('row_number', []),
          running: window('sum', [col('i')]),
          mean: window('avg', [col('x')]),
          near: window('count', [], range),
          there: window('count', [col('x')], wide),
          lowest: window('min', [col('x')], last),
          highest: window('max', [col('s')], last),
          before: window('lag', [col('x')]),
          third: window('lag', [col('s')], undefined, [3]),
          exact: window('exact_sum', [col('x')], range, [2 ** 60]),
          exactly: window('exact_sum', [col('b')], last, [0.5]),
          ...Object.fromEntries(sums),
        }),
      ),
    ),
    union: sort(union([select(all, ['id', 'k']), select(filter(all, col('b')), ['id', 'k'])]), [
      { expr: col('id'), descending: true },
    ]),
    limit: limit(byId(select(all, ['id', 's'])), 10, 5),
  }
  for (const { name } of SCHEMA)
    for (const descending of [false, true])
      cases[`sort by ${name}${descending ? ', descending' : ''}`] = select(
        sort(all, [{ expr: col(name), descending, nulls: descending ? 'first' : 'last' }, { expr: col('id') }]),
        ['id'],
      )

  it('have the same rows', { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(some, others, async (rows, more) => {
        const data = new Map([
          [SCHEMA, rows],
          [OTHER, more],
        ])
        for (const [name, relation] of Object.entries(cases)) {
          const [found, wanted] = [await onSpark(relation, data), await onDuckDb(relation, data)]
          const column = (j: number): string => relation.schema[j]?.name ?? ''
          expect(differences(found, wanted, column), name).toEqual([])
          // exact sums to the last bit
          relation.schema.forEach((field, j) => {
            if (!field.name.startsWith('exact')) return
            expect(
              found.map((row) => row[j]),
              field.name,
            ).toEqual(wanted.map((row) => row[j]))
          })
        }
      }),
      { numRuns: 2, endOnFailure: true },
    )
  })
})
