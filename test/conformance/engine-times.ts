/** Times and days: the same instants whatever is done with them, in files without a zone. */
import { join } from 'node:path'
import { DuckDBInstance, type JS } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Schema } from '../../src/core/schema.js'
import type { Written } from '../../src/etl/engine.js'
import { aggregate, call, cast, col, type Expr, int, missing, type Named, when } from '../../src/etl/expr.js'
import {
  aggregated,
  filter,
  limit,
  project,
  type Relation,
  scan,
  select,
  sort,
  union,
  windowed,
  withColumns,
} from '../../src/etl/relation.js'
import { type Bench, manyRows } from './engine.js'

const DAY = 86_400_000_000n
const micros = (time: string, more = 0n): bigint => BigInt(Date.parse(time)) * 1000n + more
/** The Julian calendar's last days were followed by none of these: from 1582-10-05 to 1582-10-14. */
const SKIPPED = micros('1582-10-10T12:00:00Z', 7n)
const TIMES = [
  ...[micros('0001-01-01T00:00:00Z'), micros('1500-02-28T23:59:59Z'), SKIPPED, micros('1883-11-18T12:03:58Z', 1n)],
  ...[-1n, 0n, micros('2024-03-31T01:30:00Z'), micros('9999-12-31T23:59:59Z', 999_999n), null],
]
const dayOf = (time: bigint): bigint => (time >= 0n || time % DAY === 0n ? time / DAY : time / DAY - 1n) * DAY
const SCHEMA: Schema = [
  { name: 'id', type: 'integer' },
  { name: 't', type: 'timestamp' },
  { name: 'd', type: 'date' },
]

export function timesConformance(bench: Bench): void {
  const rows = async (relation: Relation): Promise<readonly (readonly unknown[])[]> =>
    (await bench.engine.rows(relation)).map((row) => relation.schema.map(({ name }) => row[name]))
  const named = (columns: Readonly<Record<string, Expr>>): Named[] =>
    Object.entries(columns).map(([name, expr]) => ({ name, expr }))
  const literal = (value: bigint, type: 'timestamp' | 'date' = 'timestamp'): Expr => ({ op: 'literal', value, type })

  describe('times', () => {
    let instance: DuckDBInstance
    const asked = async (sql: string): Promise<JS[][]> => {
      const connection = await instance.connect()
      try {
        return (await connection.runAndReadAll(sql)).getRowsJS()
      } finally {
        connection.closeSync()
      }
    }
    beforeAll(async () => {
      instance = await DuckDBInstance.create(':memory:')
      for (const [file, make] of Object.entries({ plain: 'make_timestamp', zoned: 'make_timestamptz' }))
        for (const [which, times] of Object.entries({ [file]: TIMES, [`${file}-one`]: [SKIPPED] })) {
          const values = times.map((time, id) => `(${id}, CAST(${time} AS BIGINT))`).join(', ')
          await asked(
            `COPY (SELECT CAST(id AS BIGINT) AS id, ${make}(t) AS t, CAST(make_timestamp(t) AS DATE) AS d
            FROM (VALUES ${values}) AS v(id, t)) TO '${bench.path(`times-${which}.parquet`)}' (FORMAT parquet)`,
          )
        }
    })
    afterAll(() => instance.closeSync())

    it.each(['plain', 'zoned'])('of %s files are instants in all that is made of them', async (file) => {
      const table = scan({ format: 'parquet', paths: [bench.path(`times-${file}.parquet`)] }, SCHEMA)
      const days = TIMES.map((time) => time && dayOf(time))
      expect(await rows(table)).toEqual(TIMES.map((time, id) => [BigInt(id), time, days[id]]))
      const noon = call('add', call('epoch_us', col('d')), int(DAY / 2n))
      const made = named({
        noon,
        early: call('lt', col('t'), literal(0n)),
        same: call('eq', col('t'), col('d')),
        filled: call('coalesce', col('t'), literal(DAY, 'date')),
        chosen: when(call('ge', call('epoch_us', col('t')), noon), col('t'), col('d')),
        back: cast(cast(col('t'), 'text'), 'timestamp'),
        day: cast(cast(col('t'), 'date'), 'timestamp'),
        listed: { op: 'in', value: col('t'), values: [SKIPPED, -1n], type: 'timestamp' },
        dated: { op: 'in', value: col('d'), values: [0n, dayOf(SKIPPED)], type: 'date' },
      })
      expect(await rows(project(table, made))).toEqual(
        TIMES.map((time) => {
          if (time === null) return [null, null, null, DAY, null, null, null, null, null]
          const day = dayOf(time)
          const chosen = time >= day + DAY / 2n ? time : day
          return [
            ...[day + DAY / 2n, time < 0n, time === day, time, chosen, time, day],
            ...[time === SKIPPED || time === -1n, day === 0n || day === dayOf(SKIPPED)],
          ]
        }),
      )
      const texts = await rows(project(table, named({ text: cast(col('t'), 'text') })))
      expect(texts.flat().slice(3, 6)).toEqual([
        '1883-11-18 12:03:58.000001',
        '1969-12-31 23:59:59.999999',
        '1970-01-01 00:00:00',
      ])
    })

    it.each(['plain', 'zoned'])('of %s files are found, also days that one calendar skipped', async (file) => {
      const table = scan({ format: 'parquet', paths: [bench.path(`times-${file}.parquet`)] }, SCHEMA)
      const found = async (is: Expr, from = table): Promise<unknown[]> =>
        (await rows(select(filter(from, is), ['id']))).map(([id]) => Number(id))
      expect(await found(call('eq', col('t'), literal(SKIPPED)))).toEqual([2])
      expect(await found(call('eq', col('d'), literal(dayOf(SKIPPED), 'date')))).toEqual([2])
      expect(await found(call('le', col('t'), literal(SKIPPED)))).toEqual([0, 1, 2])
      // a file whose least and greatest value say whether it is read at all
      const one = scan({ format: 'parquet', paths: [bench.path(`times-${file}-one.parquet`)] }, SCHEMA)
      expect(await found(call('eq', col('t'), literal(SKIPPED)), one)).toEqual([0])
      expect(await found(call('eq', col('d'), literal(dayOf(SKIPPED), 'date')), one)).toEqual([0])
      expect(await found(call('gt', col('d'), literal(dayOf(SKIPPED), 'date')))).toEqual([3, 4, 5, 6, 7])
      expect(await found({ op: 'in', value: col('t'), values: [SKIPPED, 0n], type: 'timestamp' })).toEqual([2, 5])
      expect(await found(call('gt', col('t'), literal(micros('9999-12-31T00:00:00Z'), 'date')))).toEqual([7])
    })

    it('are grouped, counted and put in order', async () => {
      const once = scan({ format: 'parquet', paths: [bench.path('times-plain.parquet')] }, SCHEMA)
      const table = union([once, scan({ format: 'parquet', paths: [bench.path('times-zoned.parquet')] }, SCHEMA)])
      const groups = aggregated(table, named({ t: col('t') }), named({ n: aggregate('count', []) }))
      expect(await rows(sort(groups, [{ expr: col('t') }]))).toEqual(TIMES.map((time) => [time, 2n]))
      const facts = named({
        distinct: aggregate('count_distinct', [col('t')]),
        first: aggregate('min', [col('t')]),
        last: aggregate('max', [col('t')]),
        firstDay: aggregate('min', [col('d')]),
        lastDay: aggregate('max', [col('d')]),
      })
      const [first, last] = [TIMES[0] ?? 0n, TIMES[7] ?? 0n]
      expect(await rows(aggregated(table, [], facts))).toEqual([[8n, first, last, first, dayOf(last)]])
      const before: Expr = {
        ...{ op: 'window', fn: 'lag', args: [col('t')], partitionBy: [] },
        orderBy: [{ expr: col('t') }, { expr: col('id') }],
      }
      const windows = sort(windowed(once, named({ before })), [{ expr: col('id') }])
      expect((await rows(select(windows, ['before']))).flat()).toEqual([null, ...TIMES.slice(0, -1)])
      const statistics = await bench.engine.statistics(table, [
        { name: 't', expr: col('t'), range: true, distinct: true },
        { name: 'd', expr: col('d'), values: 1 },
      ])
      expect(statistics.get('t')).toMatchObject({ missing: 2, min: Number(first), max: Number(last), distinct: 8 })
      expect(statistics.get('d')?.values).toEqual([{ value: '0001-01-01', count: 2 }])
      const vectors = []
      for await (const { columns } of bench.engine.query(limit(once, 8)).batches()) vectors.push(columns[1])
      expect(vectors).toEqual([BigInt64Array.from(TIMES.slice(0, 8) as bigint[])])
    })

    it('have no zone in files, however a table is cut', async () => {
      const many = withColumns(await manyRows(bench, 'many-times.csv', 60_000), named({ t: literal(0n) }))
      const id = col('id')
      const known = sort(many, [{ expr: col('k') }, { expr: id }])
      const stored = await bench.engine.write(many, { folder: bench.path('times-stored'), format: 'parquet' })
      const paths = stored.files.map((file) => bench.path(join('times-stored', file.path)))
      const source = scan({ format: 'parquet', paths, plain: true }, many.schema)
      const parted = (relation: Relation, parts: number): Relation =>
        withColumns(relation, named({ part: call('int_mod', id, int(parts)) }))
      const zoned = scan({ format: 'parquet', paths: [bench.path('times-zoned.parquet')] }, SCHEMA)
      const tables: Readonly<Record<string, readonly [Relation, string[]]>> = {
        literals: [many, []],
        sorted: [known, []],
        zoned: [select(zoned, ['t']), []],
        'sorted zoned': [sort(zoned, [{ expr: col('t'), descending: true }]), []],
        none: [filter(source, call('lt', id, int(0))), []],
        missing: [project(source, named({ t: missing('timestamp') })), []],
        'as met': [parted(source, 3), ['part']],
        shuffled: [parted(known, 40), ['part']],
        'by time': [
          withColumns(
            parted(source, 3),
            named({ at: when(call('eq', col('part'), int(1)), literal(-1n), literal(5n)) }),
          ),
          ['at'],
        ],
      }
      const types = async (written: Written, folder: string): Promise<unknown> => {
        const files = `[${written.files.map((file) => `'${join(folder, file.path)}'`).join(', ')}]`
        const logical = await asked(
          `SELECT DISTINCT type, regexp_replace(logical_type, 'isSet.*|\\s', '', 'g') FROM parquet_schema(${files}) WHERE name = 't'`,
        )
        const read = await asked(`DESCRIBE SELECT t FROM read_parquet(${files}, hive_partitioning = false)`)
        return [logical, read[0]?.[1]]
      }
      for (const [name, [relation, partitionBy]] of Object.entries(tables)) {
        const folder = bench.path(`times ${name}`)
        const written = await bench.engine.write(relation, { folder, format: 'parquet', partitionBy })
        expect([name, await types(written, folder)]).toEqual([
          name,
          [[['INT64', expect.stringContaining('isAdjustedToUTC=0') as string]], 'TIMESTAMP'],
        ])
      }
      const [back] = await asked(`SELECT list(epoch_us(t)) FROM '${bench.path('times sorted zoned')}/*.parquet'`)
      expect(back?.[0]).toEqual([...TIMES.slice(0, 8).reverse(), null])
      const byTime = await asked(
        `SELECT DISTINCT "at", id % 3 = 1 FROM read_parquet('${bench.path('times by time')}/*/*', hive_types = {"at": 'VARCHAR'}) ORDER BY 1`,
      )
      expect(byTime).toEqual([
        ['1969-12-31 23:59:59.999999', true],
        ['1970-01-01 00:00:00.000005', false],
      ])
    })
  })
}
