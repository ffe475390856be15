/** Column statistics: right values, missing ones left out, only what was asked for, the same bits each time. */
import { describe, expect, it } from 'vitest'
import { openMemo } from '../../src/core/memo.js'
import type { StatisticsRequest } from '../../src/etl/engine.js'
import { aggregate, call, cast, col, num, text, int } from '../../src/etl/expr.js'
import { mergedRows } from '../../src/etl/merged.js'
import {
  aggregated,
  filter,
  project,
  scan,
  select,
  sort,
  windowed,
  withColumns,
  type Relation,
} from '../../src/etl/relation.js'
import { type Bench, manyRows } from './engine.js'

const ALL = { mean: true, stddev: true, range: true, distinct: true } as const

export function statisticsConformance(bench: Bench): void {
  const one = async (table: Relation, request: Omit<StatisticsRequest, 'name'>): Promise<unknown> =>
    (await bench.engine.statistics(table, [{ name: 'v', ...request }])).get('v')

  describe('statistics', () => {
    const CELLS = 'id,x,s,b,d\n1,2.5,b,true,2024-01-01\n2,,a,false,\n3,-1,b,,2024-01-03\n4,4.5,,true,2024-01-02\n'

    it('of numbers', async () => {
      const table = await bench.table('cells.csv', CELLS)
      expect(await one(table, { expr: col('x'), ...ALL, quantiles: [0, 0.5, 0.25, 1], values: 2 })).toEqual({
        rows: 4,
        missing: 1,
        mean: 2,
        stddev: Math.sqrt((0.25 + 9 + 6.25) / 2),
        min: -1,
        max: 4.5,
        quantiles: [-1, 2.5, 0.75, 4.5],
        values: [
          { value: '-1', count: 1 },
          { value: '2.5', count: 1 },
        ],
        distinct: 3,
      })
    })
    it('of times, in microseconds, and truth values, as 0 and 1', async () => {
      const table = await bench.table('cells.csv', CELLS)
      expect(await one(table, { expr: col('d'), mean: true, range: true })).toEqual({
        rows: 4,
        missing: 1,
        mean: 1704153600000000,
        min: 1704067200000000,
        max: 1704240000000000,
      })
      expect(await one(table, { expr: col('b'), mean: true, values: 5 })).toEqual({
        rows: 4,
        missing: 1,
        mean: 2 / 3,
        values: [
          { value: 'true', count: 2 },
          { value: 'false', count: 1 },
        ],
      })
    })
    it('of text: by count, then by bytes', async () => {
      const table = await bench.table('bytes.csv', 'id,s\n1,b\n2,Z\n3,\uFFFD\n4,😀\n5,b\n6,\n7,é\n8,a\n9,"a"\n')
      expect(await one(table, { expr: col('s'), values: 9, distinct: true })).toEqual({
        rows: 9,
        missing: 1,
        values: ['a', 'b']
          .map((value) => ({ value, count: 2 }))
          .concat(['Z', 'é', '\uFFFD', '😀'].map((value) => ({ value, count: 1 }))),
        distinct: 6,
      })
    })
    it('of what a step has made: NaN and empty text are missing', async () => {
      const table = await bench.table('cells.csv', CELLS)
      const made = call('sub', num(Infinity), call('mul', num(Infinity), col('x')))
      expect(await one(table, { expr: made })).toEqual({ rows: 4, missing: 3 })
      expect(await one(table, { expr: call('coalesce', col('s'), text('')), distinct: true })).toEqual({
        rows: 4,
        missing: 1,
        distinct: 2,
      })
    })
    it('of nothing, one value, and all missing', async () => {
      const table = await bench.table('cells.csv', CELLS)
      const request = { expr: col('x'), ...ALL, quantiles: [0.5], values: 3 }
      expect(await one(filter(table, call('lt', col('id'), int(0))), request)).toEqual({
        rows: 0,
        missing: 0,
        stddev: 0,
        values: [],
        distinct: 0,
      })
      const few = { expr: col('x'), values: 3, distinct: 'few' } as const
      expect(await one(filter(table, call('eq', col('id'), int(2))), few)).toMatchObject({ values: [], distinct: 0 })
      expect(await one(filter(table, call('eq', col('id'), int(2))), request)).toMatchObject({ rows: 1, missing: 1 })
      expect(await one(filter(table, call('eq', col('id'), int(1))), request)).toMatchObject({ mean: 2.5, stddev: 0 })
    })
    it('of bins: each from its lower edge to below the next, with the range', async () => {
      const table = await bench.table(
        'bins.csv',
        'id,x,s,d\n0,0.5,a,2024-01-01\n1,,b,2024-01-01\n32,-1.5,c,2024-01-08\n',
      )
      const request = { histogram: true, range: true }
      const counts = (bins: number, ...full: readonly number[]) =>
        Array.from({ length: bins }, (_, i) => full.filter((bin) => bin === i).length)
      expect(await one(table, { expr: col('id'), ...request })).toEqual({
        ...{ rows: 3, missing: 0, min: 0, max: 32 },
        histogram: { low: 0, width: 2, counts: counts(17, 0, 0, 16) },
      })
      expect(await one(table, { expr: col('x'), ...request })).toEqual({
        ...{ rows: 3, missing: 1, min: -1.5, max: 0.5 },
        histogram: { low: -1.5, width: 0.125, counts: counts(17, 0, 16) },
      })
      const day = 86_400_000_000
      expect(await one(table, { expr: col('d'), histogram: true })).toMatchObject({
        histogram: { low: 19723 * day, width: day, counts: counts(8, 0, 0, 7) },
      })
      const wide = call('div', col('x'), num(1e-320))
      expect(await one(table, { expr: wide, histogram: true })).toEqual({
        rows: 3,
        missing: 1,
        min: -Infinity,
        max: Infinity,
      })
      await expect(one(table, { expr: col('s'), histogram: true })).rejects.toMatchObject({ code: 'MR_PLAN_TYPE' })
    })
    it('of bins of many files, each with its own share of the values', async () => {
      const many = await manyRows(bench, 'many-bins.csv', 4000)
      const paths: string[] = []
      for (let part = 0; part < 60; part++) {
        // 0 to 31, of which every part has others more often
        const value = call('int_mod', call('mul', col('id'), call('add', int(part), col('id'))), int(32))
        const some = filter(many, call('lt', col('id'), int(500 + part * 37)))
        const folder = bench.path(`many-bins-${part}`)
        const { files } = await bench.engine.write(project(some, [{ name: 'v', expr: value }]), {
          folder,
          format: 'parquet',
        })
        paths.push(...files.map((file) => [folder, file.path].join('/')))
      }
      const counts = Array.from({ length: 32 }, () => 0)
      for (let part = 0; part < 60; part++)
        for (let id = 0; id < 500 + part * 37; id++) {
          const bin = (id * (part + id)) % 32
          counts[bin] = (counts[bin] ?? 0) + 1
        }
      const table = scan({ format: 'parquet', paths }, [{ name: 'v', type: 'integer' }])
      expect(await one(table, { expr: col('v'), histogram: true })).toMatchObject({
        histogram: { low: 0, width: 1, counts },
      })
    })
    it('of more files than one query tells apart', async () => {
      const many = await manyRows(bench, 'many-files.csv', 700)
      const paths: string[] = []
      for (let part = 0; part < 70; part++) {
        const folder = bench.path(`many-files-${part}`)
        const inPart = call('and', call('ge', col('id'), int(part * 10)), call('lt', col('id'), int(part * 10 + 10)))
        const { files } = await bench.engine.write(filter(many, inPart), { folder, format: 'parquet' })
        paths.push(...files.map((file) => [folder, file.path].join('/')))
      }
      const table = scan({ format: 'parquet', paths }, [{ name: 'id', type: 'integer' }], { rowNumber: 'row' })
      const off = call('sub', col('id'), col('row'))
      expect(await one(table, { expr: off, mean: true, range: true })).toMatchObject({ rows: 700, min: 0, max: 0 })
      const found = await one(table, { expr: col('id'), mean: true, stddev: true, quantiles: [0.5], histogram: true })
      expect(found).toMatchObject({ rows: 700, mean: 349.5, quantiles: [349.5] })
      expect((found as { stddev: number }).stddev).toBeCloseTo(Math.sqrt((700 * 701) / 12), 9)
    })
    it('of values that are nothing like the first, too large to square, or all the same', async () => {
      const many = await manyRows(bench, 'unlike.csv', 60_000)
      const id = cast(col('id'), 'number')
      const late = filter(many, call('ge', col('id'), int(55_000)))
      const shifted = call('add', num(1e9), id)
      const found = (await one(late, { expr: shifted, mean: true, stddev: true })) as { mean: number; stddev: number }
      expect(found.mean).toBeCloseTo(1e9 + 57_499.5, 3)
      expect(found.stddev / Math.sqrt((5000 * 5001) / 12)).toBeCloseTo(1, 9)
      const large = call('mul', call('sub', id, num(3e4)), num(1e150))
      expect(await one(many, { expr: large, stddev: true })).toMatchObject({ stddev: Infinity })
      expect(await one(many, { expr: num(-139.91), stddev: true })).toMatchObject({ stddev: 0 })
      expect(await one(late, { expr: num(0.1), mean: true, stddev: true })).toEqual({
        ...{ rows: 5000, missing: 0, stddev: 0 },
        mean: expect.closeTo(0.1, 12) as number,
      })
    })
    it('of few values only: no number where there are more', async () => {
      const many = await manyRows(bench, 'bits.csv', 150_000)
      expect(await one(many, { expr: col('k'), distinct: 'few' })).toMatchObject({
        distinct: expect.any(Number) as number,
      })
      expect(await one(many, { expr: col('id'), distinct: 'few' })).toEqual({ rows: 150_000, missing: 0 })
      expect(await one(many, { expr: col('id'), distinct: true })).toMatchObject({ distinct: 150_000 })
    })
    it('aggregates of many files, each kept by itself, as over all rows', async () => {
      const many = withColumns(await manyRows(bench, 'merged.csv', 2000), [
        { name: 'part', expr: call('int_mod', col('id'), int(70)) },
      ])
      const written = async (relation: Relation, name: string, partitionBy: readonly string[]) => {
        const { files } = await bench.engine.write(relation, {
          folder: bench.path(name),
          format: 'parquet',
          partitionBy,
        })
        return files.map(({ path, rows }) => ({ path: [bench.path(name), path].join('/'), rows }))
      }
      const full = await written(many, 'merged', ['part'])
      const none = await written(
        filter(select(many, ['id', 'k', 'x']), call('lt', col('id'), int(0))),
        'merged-none',
        [],
      )
      const files = [...none, ...full]
      let rows = 0
      const table = scan(
        {
          ...{ format: 'parquet', paths: files.map(({ path }) => path) },
          digests: Object.fromEntries(files.map(({ path }) => [path, path])),
        },
        many.schema.slice(0, 3),
        { rowsBefore: files.map((file) => (rows += file.rows) - file.rows) },
      )
      const aggregates = [
        { name: 'n', expr: aggregate('count', []), merge: 'sum' },
        { name: 'ids', expr: aggregate('sum', [col('id')]), merge: 'sum' },
        { name: 'least', expr: aggregate('min', [col('x')]), merge: 'min' },
      ] as const
      const memo = await openMemo(bench.path('merged-memo'), { scope: 'test' })
      const shown = (found: readonly Readonly<Record<string, unknown>>[]) =>
        found.map(({ k, n, ids, least }) => [k, n, ids, least].map(String).join(' ')).sort()
      for (const groupBy of [[], [{ name: 'k', expr: col('k') }]])
        for (const relation of [table, filter(table, call('gt', call('int_mod', col('id'), int(3)), int(0)))]) {
          const whole = shown(await bench.engine.rows(aggregated(relation, groupBy, aggregates)))
          expect(shown(await mergedRows(bench.engine, memo, relation, groupBy, aggregates))).toEqual(whole)
          expect(shown(await mergedRows(bench.engine, memo, relation, groupBy, aggregates))).toEqual(whole)
        }
    })
    it('refuses what has no meaning', async () => {
      const table = await bench.table('cells.csv', CELLS)
      await expect(one(table, { expr: col('s'), mean: true })).rejects.toMatchObject({ code: 'MR_PLAN_TYPE' })
      await expect(one(table, { expr: col('x'), quantiles: [2] })).rejects.toMatchObject({ code: 'MR_PLAN_TYPE' })
      await expect(one(table, { expr: col('y') })).rejects.toMatchObject({ code: 'MR_PLAN_COLUMN_UNKNOWN' })
      expect(await bench.engine.statistics(table, [])).toEqual(new Map())
    })
    it('has the same bits each time, from files, with filters, after a plan without order', async () => {
      const many = await manyRows(bench, 'bits.csv', 150_000)
      const { files } = await bench.engine.write(many, {
        folder: bench.path(`bits-${Math.random()}`),
        format: 'parquet',
      })
      expect(files.length).toBeGreaterThan(0)
      const numbered = windowed(many, [
        { name: 'n', expr: { op: 'window', fn: 'row_number', args: [], partitionBy: [col('k')], orderBy: [] } },
      ])
      const plans = [
        many,
        filter(many, call('ne', col('k'), text('c'))),
        project(numbered, [{ name: 'x', expr: col('x') }]),
        sort(many, [{ expr: col('k') }]),
      ]
      for (const plan of plans) {
        const seen = new Set<string>()
        for (let round = 0; round < 3; round++)
          seen.add(JSON.stringify(await one(plan, { expr: col('x'), mean: true, stddev: true })))
        expect([...seen]).toHaveLength(1)
      }
    })
    it('agrees with a plain sum', async () => {
      const many = await manyRows(bench, 'bits.csv', 150_000)
      const found = (await one(many, { expr: cast(col('id'), 'number'), ...ALL, quantiles: [0.5] })) as {
        mean: number
        stddev: number
      }
      expect(found).toMatchObject({ min: 0, max: 149_999, distinct: 150_000, quantiles: [74_999.5] })
      expect(found.mean).toBeCloseTo(74_999.5, 6)
      expect(found.stddev).toBeCloseTo(Math.sqrt((150_000 * 150_001) / 12), 6)
    })
  })
}
