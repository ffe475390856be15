import { describe, expect, it } from 'vitest'
import type { Schema } from '../core/schema.js'
import { aggregate, call, cast, col, int, missing, num, text, when } from './expr.js'
import {
  aggregated,
  filter,
  isOrdered,
  join,
  limit,
  project,
  scan,
  sort,
  union,
  windowed,
  withColumns,
} from './relation.js'
import { columnsOf, typeOf } from './types.js'

const SCHEMA: Schema = [
  { name: 'id', type: 'integer' },
  { name: 'Amount', type: 'number' },
  { name: 's', type: 'text' },
  { name: 't', type: 'timestamp' },
  { name: 'd', type: 'date' },
]
const table = scan({ format: 'parquet', paths: ['t.parquet'] }, SCHEMA)
const number = { op: 'window', fn: 'row_number', args: [], partitionBy: [], orderBy: [] } as const
const code = (of: () => unknown): string => {
  try {
    of()
    return 'none'
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('relations', () => {
  it('know their columns', () => {
    const groups = aggregated(
      table,
      [{ name: 's', expr: col('s') }],
      [
        { name: 'n', expr: aggregate('count', []) },
        { name: 'ids', expr: aggregate('sum', [col('id')]) },
        { name: 'mean', expr: aggregate('avg', [col('id')]) },
        { name: 'last', expr: aggregate('max', [col('t')]) },
      ],
    )
    expect(groups.schema.map(({ type }) => type)).toEqual(['text', 'integer', 'integer', 'number', 'timestamp'])
    expect(withColumns(table, [{ name: 's', expr: col('id') }]).schema[2]).toEqual({ name: 's', type: 'integer' })
    const numbered = scan({ format: 'csv', paths: ['t.csv'] }, SCHEMA, { rowNumber: 'row' })
    expect(numbered.schema.at(-1)).toEqual({ name: 'row', type: 'integer' })
  })

  it('name the nearest column and what there is', () => {
    expect(() => project(table, [{ name: 'a', expr: col('amount') }])).toThrowError(
      expect.objectContaining({
        code: 'MR_PLAN_COLUMN_UNKNOWN',
        message: 'there is no column "amount"; there are "id", "Amount", "s", "t", "d"',
        hint: 'did you mean "Amount"?',
      }) as Error,
    )
  })

  it.each<[string, () => unknown]>([
    [
      'MR_PLAN_COLUMN_DUPLICATE',
      () => scan({ format: 'csv', paths: ['t'] }, [...SCHEMA, { name: 'ID', type: 'text' }]),
    ],
    ['MR_PLAN_COLUMN_DUPLICATE', () => join(table, table, 'inner', [{ left: col('id'), right: col('id') }])],
    ['MR_PLAN_NAME', () => project(table, [{ name: '', expr: col('id') }])],
    ['MR_PLAN_NAME', () => project(table, [{ name: 'a\0', expr: col('id') }])],
    ['MR_PLAN_SHAPE', () => project(table, [])],
    ['MR_PLAN_SHAPE', () => scan({ format: 'csv', paths: [] }, SCHEMA)],
    ['MR_PLAN_SHAPE', () => project(table, [{ name: 'n', expr: aggregate('count', []) }])],
    ['MR_PLAN_SHAPE', () => project(table, [{ name: 'n', expr: number }])],
    ['MR_PLAN_SHAPE', () => filter(table, call('gt', number, int(1)))],
    ['MR_PLAN_SHAPE', () => aggregated(table, [], [{ name: 'n', expr: col('id') }])],
    ['MR_PLAN_SHAPE', () => windowed(table, [{ name: 'n', expr: aggregate('count', []) }])],
    ['MR_PLAN_SHAPE', () => union([table, project(table, [{ name: 'id', expr: col('id') }])])],
    ['MR_PLAN_SHAPE', () => union([])],
    ['MR_PLAN_SHAPE', () => sort(table, [])],
    ['MR_PLAN_SHAPE', () => limit(table, -1)],
    ['MR_PLAN_SHAPE', () => limit(table, 1.5)],
    ['MR_PLAN_SHAPE', () => join(table, table, 'semi', [])],
    ['MR_PLAN_TYPE', () => filter(table, col('id'))],
    ['MR_PLAN_TYPE', () => join(table, table, 'semi', [{ left: col('id'), right: col('s') }])],
    ['MR_PLAN_SHAPE', () => typeOf(call('add', num(1)), SCHEMA)],
    ['MR_PLAN_TYPE', () => typeOf(call('add', num(1), col('s')), SCHEMA)],
    ['MR_PLAN_TYPE', () => typeOf(call('concat', col('id')), SCHEMA)],
    ['MR_PLAN_TYPE', () => typeOf(call('eq', col('id'), col('s')), SCHEMA)],
    ['MR_PLAN_TYPE', () => typeOf(cast(col('id'), 'timestamp'), SCHEMA)],
    ['MR_PLAN_TYPE', () => typeOf(when(col('s'), num(1), num(2)), SCHEMA)],
    ['MR_PLAN_TYPE', () => typeOf(aggregate('avg', [col('s')]), SCHEMA)],
  ])('refuse with %s: %#', (expected, of) => {
    expect(code(of)).toBe(expected)
  })

  it('widen mixed types', () => {
    expect(typeOf(call('coalesce', col('id'), num(1)), SCHEMA)).toBe('number')
    expect(typeOf(when(call('eq', col('d'), col('t')), col('d'), missing('timestamp')), SCHEMA)).toBe('timestamp')
    expect(typeOf(call('add', col('id'), int(1)), SCHEMA)).toBe('integer')
    expect(typeOf(cast(col('Amount'), 'float32'), SCHEMA)).toBe('number')
  })

  it('know whether their rows have an order', () => {
    expect(isOrdered(filter(table, call('eq', col('id'), int(1))))).toBe(true)
    expect(isOrdered(windowed(table, [{ name: 'n', expr: number }]))).toBe(false)
    expect(isOrdered(sort(windowed(table, [{ name: 'n', expr: number }]), [{ expr: col('n') }]))).toBe(true)
    const groups = aggregated(table, [{ name: 'id', expr: col('id') }], [])
    const ids = project(table, [{ name: 'id', expr: col('id') }])
    expect([isOrdered(union([ids, ids])), isOrdered(union([ids, groups]))]).toEqual([true, false])
  })

  it('list the columns that an expression reads', () => {
    const expr = when(call('eq', col('s'), text('a')), col('id'), call('add', col('id'), col('Amount')))
    expect([...columnsOf(expr)]).toEqual(['s', 'id', 'Amount'])
  })
})
