/** Each dialect's text for every relation and expression, against golden files: a change of text is a change of keys. */
import { describe, expect, it } from 'vitest'
import { EXPRESSIONS } from '../../../test/conformance/engine-expressions.js'
import { golden } from '../../../test/golden.js'
import type { Schema } from '../../core/schema.js'
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
  type Named,
  type WindowFunction,
} from '../expr.js'
import {
  aggregated,
  filter,
  join,
  limit,
  project,
  scan,
  select,
  sort,
  union,
  windowed,
  withColumns,
  type Relation,
} from '../relation.js'
import { compile, dialect, expression } from './compile.js'
import { duckdb } from './duckdb.js'
import { spark } from './spark-scan.js'

const SCHEMA: Schema = [
  { name: 'id', type: 'integer' },
  { name: 'k', type: 'text' },
  { name: 'x', type: 'number' },
  { name: 's', type: 'text' },
  { name: 't', type: 'timestamp' },
  { name: 'd', type: 'date' },
  { name: 'b', type: 'boolean' },
]
const table = scan({ format: 'parquet', paths: ['data/t.parquet'] }, SCHEMA)
const csv = { delimiter: ';', quote: '"', header: true, columns: SCHEMA.map(({ name }) => name) }
const other = scan({ format: 'parquet', paths: ['o.parquet'] }, [
  { name: 'k2', type: 'text' },
  { name: 'label', type: 'text' },
])
const window = (fn: 'row_number' | 'count' | 'sum' | 'avg' | 'min' | 'max' | 'lag', ...args: Expr[]): Expr => ({
  op: 'window',
  fn,
  args,
  partitionBy: [col('k')],
  orderBy: [{ expr: col('id'), descending: true, nulls: 'first' }, { expr: col('x') }],
})
const framed = (fn: WindowFunction, args: readonly Expr[], frame?: Frame): Expr & { op: 'window' } => ({
  op: 'window',
  fn,
  args,
  partitionBy: [col('k')],
  orderBy: [{ expr: col('id') }],
  ...(frame === undefined ? {} : { frame }),
})
const columns = (all: Readonly<Record<string, Expr>>): Named[] =>
  Object.entries(all).map(([name, expr]) => ({ name, expr }))

const RELATIONS: Readonly<Record<string, Relation>> = {
  'scan-parquet': scan({ format: 'parquet', paths: ['data/t.parquet'] }, SCHEMA, { rowNumber: 'row' }),
  'scan-parquet-files': {
    ...(scan({ format: 'parquet', paths: ['a.parquet', "b'[1]*.parquet"] }, SCHEMA, {
      rowNumber: 'row',
    }) as Relation & {
      kind: 'scan'
    }),
    rowsBefore: [0, 1000],
  },
  'scan-parquet-deleted': scan(
    {
      format: 'parquet',
      paths: ['a.parquet', 'b.parquet', "c'.parquet"],
      deleted: {
        'b.parquet': { bits: Uint8Array.of(0x80, 1), digest: 'b' },
        "c'.parquet": { bits: Uint8Array.of(255), digest: 'c' },
      },
    },
    SCHEMA,
  ),
  'scan-parquet-deleted-one': scan(
    {
      format: 'parquet',
      paths: ['b.parquet'],
      deleted: { 'b.parquet': { bits: Uint8Array.of(0x80, 1), digest: 'b' } },
    },
    SCHEMA,
    { rowNumber: 'row', rowsBefore: [1000] },
  ),
  'scan-parquet-hive': scan(
    {
      format: 'parquet',
      paths: ["t/k=it's/p.parquet", 't/k=__HIVE_DEFAULT_PARTITION__/p.parquet'],
      hive: { root: 't', columns: ['k'] },
    },
    SCHEMA,
    { rowNumber: 'row' },
  ),
  'scan-csv-hive': scan(
    {
      format: 'csv',
      paths: ['t/k=a%2Fb/p.csv'],
      csv: { ...csv, columns: csv.columns.filter((name) => name !== 'k') },
      hive: { root: 't', columns: ['k'] },
    },
    SCHEMA,
  ),
  'scan-csv': scan({ format: 'csv', paths: ['t.csv'], csv }, SCHEMA, { rowNumber: 'row' }),
  'scan-json': scan({ format: 'json', paths: ['t.jsonl'] }, SCHEMA),
  project: project(table, columns({ 'a "b"': call('add', col('x'), num(1)), select: col('k') })),
  'with-columns': withColumns(table, columns({ x: call('mul', col('x'), num(2)), y: text('line\nline') })),
  filter: filter(table, call('gt', col('x'), num(0))),
  aggregate: aggregated(
    table,
    columns({ k: col('k'), x: call('floor', col('x')) }),
    columns({ n: aggregate('count', []) }),
  ),
  'aggregate-all': aggregated(
    table,
    [],
    columns({
      count: aggregate('count', []),
      'count-x': aggregate('count', [col('x')]),
      count_if: aggregate('count_if', [col('b')]),
      count_distinct: aggregate('count_distinct', [col('k')]),
      'count_distinct-pairs': aggregate('count_distinct', [col('k'), col('s')]),
      sum: aggregate('sum', [col('x')]),
      'sum-integer': aggregate('sum', [col('id')]),
      'sum-boolean': aggregate('sum', [col('b')]),
      avg: aggregate('avg', [col('id')]),
      min: aggregate('min', [col('s')]),
      max: aggregate('max', [col('t')]),
      stddev_samp: aggregate('stddev_samp', [col('x')]),
      var_pop: aggregate('var_pop', [col('x')]),
      quantile: aggregate('quantile', [col('x')], [0.25]),
      filtered: { op: 'aggregate', fn: 'sum', args: [col('id')], filter: call('is_missing', col('s')) },
    }),
  ),
  'join-inner': join(table, other, 'inner', [{ left: col('k'), right: col('k2') }]),
  'join-left': join(table, other, 'left', [{ left: col('k'), right: col('k2') }]),
  'join-semi': join(table, other, 'semi', [
    { left: col('k'), right: col('k2') },
    { left: call('concat', col('s'), col('k')), right: col('label') },
  ]),
  'join-anti': join(table, other, 'anti', [{ left: col('k'), right: col('k2') }]),
  window: windowed(
    select(table, ['id', 'k', 'x']),
    columns({
      row_number: window('row_number'),
      count: window('count'),
      'count-x': window('count', col('x')),
      sum: window('sum', col('x')),
      'sum-integer': window('sum', col('id')),
      avg: window('avg', col('id')),
      min: window('min', col('x')),
      max: window('max', col('x')),
      lag: window('lag', col('x')),
      whole: { op: 'window', fn: 'count', args: [], partitionBy: [], orderBy: [] },
    }),
  ),
  'window-frames': windowed(
    select(table, ['id', 'k', 'x', 'b']),
    columns({
      range: framed('count', [], { unit: 'range', from: 604_800_000_000n, to: 1n }),
      rows: framed('max', [col('x')], { unit: 'rows', from: 5n, to: 1n }),
      all: framed('count', [col('x')], { unit: 'rows', from: 'unbounded', to: 1n }),
      lag: { ...framed('lag', [col('k')]), params: [3] },
      exact: { ...framed('exact_sum', [col('x')], { unit: 'range', from: 10n, to: 1n }), params: [2 ** 76] },
      'exact-boolean': { ...framed('exact_sum', [col('b')], { unit: 'rows', from: 1n, to: 0n }), params: [0.5] },
    }),
  ),
  union: union([select(table, ['k']), select(filter(table, col('b')), ['k'])]),
  sort: sort(table, [{ expr: col('k') }, { expr: col('x'), descending: true, nulls: 'first' }]),
  limit: limit(table, 10),
  'limit-sorted': limit(sort(table, [{ expr: col('id') }]), 10, 5),
}

describe.each([duckdb, spark])('SQL of $name', (tables) => {
  it.each(Object.keys(RELATIONS))('relation %s', (name) => {
    const relation = RELATIONS[name] ?? table
    const sql = compile(relation, tables)
    expect(compile(relation, tables)).toBe(sql)
    golden(`sql/${tables.name}/${name}.sql`, `${sql}\n`)
  })
  it('expressions', () => {
    const lines = EXPRESSIONS.map(({ label, expr }) => `-- ${label}\n${expression(expr, table, tables)}\n`)
    golden(`sql/${tables.name}/expressions.sql`, lines.join('\n'))
  })
  it('has every function somewhere in the golden files', () => {
    const used = new Set<string>()
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      for (const [key, inner] of Object.entries(value)) {
        if (key === 'fn' && typeof inner === 'string') used.add(inner)
        walk(inner)
      }
    }
    walk([EXPRESSIONS, RELATIONS])
    const known = [tables.functions, tables.aggregates, tables.windows].flatMap((of) => Object.keys(of))
    expect(known.filter((fn) => !used.has(fn))).toEqual([])
    expect(known.every((fn) => dialect(tables).supports(fn))).toBe(true)
  })
  it('inserts arguments once: what looks like a placeholder in a text stays', () => {
    const odd = call('concat', text('$1'), cast(int(1), 'text'), text('$* AND *'))
    expect(expression(odd, table, tables)).toBe(
      tables === duckdb
        ? "('$1' || CAST(CAST(1 AS BIGINT) AS VARCHAR) || '$* AND *')"
        : "('\\u00241' || CAST(CAST(1 AS BIGINT) AS STRING) || '\\u0024* AND *')",
    )
  })
  it('grows with the depth of a calculation, not by the power of it: a parser has to hold it', () => {
    const lengths = [4, 8, 16].map((depth) => {
      let deep: Expr = col('x')
      for (let i = 0; i < depth; i++)
        deep = cast(call('int_mod', cast(call('floor', call('div', deep, num(7))), 'integer'), int(1000)), 'number')
      return expression(deep, table, tables).length
    })
    const [a = 0, b = 0, c = 0] = lengths
    expect(b).toBeLessThan(3 * a)
    expect(c).toBeLessThan(3 * b)
  })
  it('takes only literals as patterns, which are written for the engine', () => {
    expect(() => expression(call('matches', col('s'), col('k')), table, tables)).toThrow(/must be a literal/)
  })
})
