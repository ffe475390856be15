/**
 * What every engine must do, stated as values. An engine's test is one call; SQL texts are the dialects' own business
 * (test/golden/sql). Files are made here, small, in a temporary folder. Longer than files should be: its cases share one
 * engine, folder and table; what has tables of its own is in the files beside it.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MISSING_TIME } from '../../src/core/schema.js'
import type { Engine } from '../../src/etl/engine.js'
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
} from '../../src/etl/expr.js'
import {
  aggregated,
  filter,
  join as joined,
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
import { expandSource } from '../../src/etl/source.js'
import { deletedConformance } from './engine-deleted.js'
import { EXPRESSIONS } from './engine-expressions.js'
import { foldersConformance } from './engine-folders.js'
import { inferenceConformance } from './engine-inference.js'
import { statisticsConformance } from './engine-statistics.js'
import { timesConformance } from './engine-times.js'

/** What the parts of the suite share. */
export interface Bench {
  readonly engine: Engine
  /** A file with this content, inferred and scanned. */
  table(name: string, content: string | Uint8Array): Promise<Relation>
  path(name: string): string
}

export const ORDERS = `id,k,x,s,t
1,a,1.5,one,2024-01-01T00:00:00Z
2,b,,two,2024-01-02T00:00:00Z
3,a,-2,,2024-01-03T12:30:00.25Z
4,,4,four,
5,b,0.25,five,2024-01-05T00:00:00Z
`

const KEYS = `k2,label
a,Alpha
c,Gamma
a,Again
`

const window = (fn: WindowFunction, args: readonly Expr[], by: readonly Expr[]): Expr & { op: 'window' } => ({
  op: 'window',
  fn,
  args,
  partitionBy: by,
  orderBy: [{ expr: col('id') }],
})
export const named = (columns: Readonly<Record<string, Expr>>): Named[] =>
  Object.entries(columns).map(([name, expr]) => ({ name, expr }))
const count: Expr = aggregate('count', [])

export function engineConformance(name: string, open: () => Promise<Engine>): void {
  describe(`${name} is an engine`, () => {
    let engine: Engine
    let folder: string
    let orders: Relation
    const path = (file: string): string => join(folder, file)
    const bench: Bench = {
      get engine() {
        return engine
      },
      path,
      async table(file, content) {
        await writeFile(path(file), content)
        const { source, schema } = await engine.inferSchema(await expandSource(path(file)))
        return scan(source, schema)
      },
    }
    const plain = async (relation: Relation): Promise<unknown[]> =>
      (await engine.rows(relation)).map((row) => relation.schema.map((field) => row[field.name]))

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'millrace-engine-'))
      engine = await open()
      orders = await bench.table('orders.csv', ORDERS)
    })
    afterAll(async () => {
      await engine[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    it('says what it is', () => {
      expect(engine.version).toMatch(/^\S+ \d+\.\d+/)
      expect(engine.dialect.supports('is_missing')).toBe(true)
      expect(engine.dialect.supports('no_such_function')).toBe(false)
      expect(engine.dialect.compile(orders)).toEqual(engine.dialect.compile(orders))
    })

    describe('expressions', () => {
      // all in one query, as each costs a cluster its while; where that fails, one by one
      const values = async (exprs: readonly Expr[]): Promise<readonly unknown[]> => {
        const columns = exprs.map((expr, i) => ({ name: `v${i}`, expr }))
        const [row] = await engine.rows(limit(project(orders, columns), 1))
        return columns.map(({ name: v }) => row?.[v])
      }
      let all: Promise<readonly unknown[] | undefined> | undefined
      it.each(EXPRESSIONS.map((each, index) => ({ ...each, index })))('$label', async ({ expr, value, index }) => {
        all ??= values(EXPRESSIONS.map((each) => each.expr)).catch(() => undefined)
        const found = (await all) ?? (await values([expr]))
        expect(found[found.length === 1 ? 0 : index]).toEqual(value)
      })
      it('aggregates', async () => {
        const all = aggregated(
          orders,
          [],
          named({
            rows: count,
            present: aggregate('count', [col('x')]),
            positive: aggregate('count_if', [call('gt', col('x'), num(0))]),
            keys: aggregate('count_distinct', [col('k')]),
            sum: aggregate('sum', [col('x')]),
            ids: aggregate('sum', [col('id')]),
            avg: aggregate('avg', [col('x')]),
            min: aggregate('min', [col('s')]),
            max: aggregate('max', [col('id')]),
            sd: aggregate('stddev_samp', [col('id')]),
            variance: aggregate('var_pop', [col('id')]),
            median: aggregate('quantile', [col('id')], [0.5]),
            quarter: aggregate('quantile', [col('x')], [0.25]),
            some: { op: 'aggregate', fn: 'sum', args: [col('id')], filter: call('eq', col('k'), text('a')) },
          }),
        )
        expect(await plain(all)).toEqual([
          [5n, 4n, 3n, 2n, 3.75, 15n, 0.9375, 'five', 5n, Math.sqrt(2.5), 2, 3, -0.3125, 4n],
        ])
      })
      it('aggregates of nothing', async () => {
        const none = filter(orders, call('lt', col('id'), int(0)))
        const all = named({ rows: count, avg: aggregate('avg', [col('x')]), sum: aggregate('sum', [col('id')]) })
        expect(await plain(aggregated(none, [], all))).toEqual([[0n, null, null]])
        expect(await plain(aggregated(none, named({ k: col('k') }), all))).toEqual([])
      })
    })

    describe('relations', () => {
      it('groups, missing keys together', async () => {
        const groups = aggregated(orders, named({ k: col('k') }), named({ n: count, x: aggregate('sum', [col('x')]) }))
        expect(await plain(sort(groups, [{ expr: col('k'), nulls: 'first' }]))).toEqual([
          [null, 1n, 4],
          ['a', 2n, -0.5],
          ['b', 2n, 0.25],
        ])
      })
      it('groups by an expression that has the name of a column', async () => {
        const groups = aggregated(orders, named({ x: call('coalesce', col('k'), text('-')) }), named({ n: count }))
        expect(await plain(sort(groups, [{ expr: col('x') }]))).toEqual([
          ['-', 1n],
          ['a', 2n],
          ['b', 2n],
        ])
      })
      it.each([
        [{ expr: col('x') }, [3n, 5n, 1n, 4n, 2n]],
        [{ expr: col('x'), nulls: 'first' as const }, [2n, 3n, 5n, 1n, 4n]],
        [{ expr: col('x'), descending: true }, [4n, 1n, 5n, 3n, 2n]],
        [{ expr: col('x'), descending: true, nulls: 'first' as const }, [2n, 4n, 1n, 5n, 3n]],
      ])('sorts with nulls where they are asked for: %#', async (key, ids) => {
        expect((await plain(select(sort(orders, [key]), ['id']))).flat()).toEqual(ids)
      })
      it('sorts by what reads no column as by nothing', async () => {
        const constants = [text('a'), num(2), call('concat', text('b'))].map((expr) => ({ expr }))
        const sorted = sort(orders, [...constants, { expr: col('id'), descending: true }])
        expect((await plain(select(sorted, ['id']))).flat()).toEqual([5n, 4n, 3n, 2n, 1n])
        expect(await plain(limit(sort(orders, constants), 2))).toHaveLength(2)
      })
      it('limits after a sort, with an offset', async () => {
        const some = limit(sort(orders, [{ expr: col('id'), descending: true }]), 2, 1)
        expect((await plain(select(some, ['id']))).flat()).toEqual([4n, 3n])
        expect(await plain(limit(orders, 0))).toEqual([])
      })
      it.each([
        ['inner' as const, ['1 Again', '1 Alpha', '3 Again', '3 Alpha']],
        ['left' as const, ['1 Again', '1 Alpha', '2 null', '3 Again', '3 Alpha', '4 null', '5 null']],
        ['semi' as const, ['1 undefined', '3 undefined']],
        ['anti' as const, ['2 undefined', '4 undefined', '5 undefined']],
      ])('joins: %s; a missing key equals nothing', async (how, expected) => {
        const keys = await bench.table('keys.csv', KEYS)
        const both = joined(orders, keys, how, [{ left: col('k'), right: col('k2') }])
        const rows = await engine.rows(both)
        expect(rows.map((row) => `${String(row['id'])} ${String(row['label'])}`).sort()).toEqual(expected)
      })
      it('windows', async () => {
        const all = windowed(
          orders,
          named({
            n: window('row_number', [], [col('k')]),
            before: window('lag', [col('id')], [col('k')]),
            running: window('sum', [col('id')], []),
            size: { op: 'window', fn: 'count', args: [], partitionBy: [col('k')], orderBy: [] },
          }),
        )
        const found = select(sort(all, [{ expr: col('id') }]), ['id', 'n', 'before', 'running', 'size'])
        expect(await plain(found)).toEqual([
          [1n, 1n, null, 1n, 2n],
          [2n, 1n, null, 3n, 2n],
          [3n, 2n, 1n, 6n, 2n],
          [4n, 1n, null, 10n, 1n],
          [5n, 2n, 2n, 15n, 2n],
        ])
      })
      it('windows with frames: by distance of the key and by rows, exact sums', async () => {
        const framed = (fn: WindowFunction, args: readonly Expr[], frame: Frame, params?: readonly number[]): Expr => ({
          op: 'window',
          fn,
          args,
          partitionBy: [],
          orderBy: [
            { expr: call('int_div', col('id'), int(2)) },
            ...(frame.unit === 'rows' ? [{ expr: col('id') }] : []),
          ],
          frame,
          ...(params === undefined ? {} : { params }),
        })
        const near: Frame = { unit: 'range', from: 1n, to: 1n }
        const last: Frame = { unit: 'rows', from: 2n, to: 1n }
        const ever: Frame = { unit: 'rows', from: 'unbounded', to: 0n }
        const all = windowed(
          orders,
          named({
            n: framed('count', [], near),
            there: framed('count', [col('x')], near),
            sum: framed('exact_sum', [col('x')], near, [2 ** 70]),
            lowest: framed('min', [col('x')], last),
            total: framed('exact_sum', [col('id')], ever, [1]),
            second: { ...window('lag', [col('k')], []), params: [2] },
          }),
        )
        const found = select(sort(all, [{ expr: col('id') }]), ['id', 'n', 'there', 'sum', 'lowest', 'total', 'second'])
        // the keys are 0 1 1 2 2, x is 1.5 - -2 4 0.25
        expect(await plain(found)).toEqual([
          [1n, 0n, 0n, null, null, 1, null],
          [2n, 1n, 1n, 1.5, 1.5, 3, null],
          [3n, 1n, 1n, 1.5, 1.5, 6, 'a'],
          [4n, 2n, 1n, -2, -2, 10, 'b'],
          [5n, 2n, 1n, -2, -2, 15, 'a'],
        ])
      })
      it('sums exactly what doubles would lose', async () => {
        const hard = await bench.table('hard.csv', 'i,x\n1,1e16\n2,0.1\n3,0.2\n4,-1e16\n5,-57.16\n')
        const sum: Expr = {
          op: 'window',
          fn: 'exact_sum',
          args: [col('x')],
          partitionBy: [],
          orderBy: [{ expr: col('i') }],
          frame: { unit: 'rows', from: 'unbounded', to: 0n },
          params: [2 ** 60],
        }
        const found = select(sort(windowed(hard, [{ name: 'sum', expr: sum }]), [{ expr: col('i') }]), ['sum'])
        expect(await plain(found)).toEqual([[1e16], [1e16], [1e16], [0.30000000000000004], [-56.86]])
      })
      it('puts inputs one after the other', async () => {
        const twice = union([limit(orders, 2), sort(orders, [{ expr: col('id'), descending: true }])])
        const ids = aggregated(twice, [], named({ n: count, sum: aggregate('sum', [col('id')]) }))
        expect(await plain(ids)).toEqual([[7n, 18n]])
      })
      it('windows over inputs of which the first has the same value in all rows', async () => {
        const { files } = await engine.write(select(orders, ['id']), { folder: path('same-value'), format: 'parquet' })
        const ids = scan({ format: 'parquet', paths: [join(path('same-value'), files[0]?.path ?? '')] }, [
          { name: 'id', type: 'integer' },
        ])
        const both = union([project(ids, named({ id: int(7) })), ids])
        const sum: Expr = { op: 'window', fn: 'sum', args: [col('id')], partitionBy: [], orderBy: [] }
        const found = await plain(sort(windowed(both, named({ sum })), [{ expr: col('id') }]))
        expect(found).toEqual([1n, 2n, 3n, 4n, 5n, 7n, 7n, 7n, 7n, 7n].map((id) => [id, 50n]))
      })
      it('numbers rows by their place in the files', async () => {
        const numbered = scan((orders as Relation & { kind: 'scan' }).source, orders.schema, { rowNumber: 'row' })
        const some = filter(numbered, call('gt', col('id'), int(3)))
        expect(await plain(select(some, ['id', 'row']))).toEqual([
          [4n, 3n],
          [5n, 4n],
        ])
      })
      it('numbers rows of files with columns that are called as what an engine knows of files', async () => {
        const names = ['_metadata', '__metadata', 'filename', '#position', '#place', '__millrace_position']
        const table = project(
          orders,
          names.map((name) => ({ name, expr: col('id') })),
        )
        const { files } = await engine.write(table, { folder: path('called'), format: 'parquet' })
        const paths = ['', './'].map((way) => [path('called'), `${way}${files[0]?.path}`].join('/'))
        const numbered = scan({ format: 'parquet', paths }, table.schema, { rowNumber: 'row', rowsBefore: [0, 5] })
        const last = filter(numbered, call('ge', col('row'), int(8)))
        expect(await plain(last)).toEqual([
          [...names.map(() => 4n), 8n],
          [...names.map(() => 5n), 9n],
        ])
      })
      it('replaces and adds columns', async () => {
        const changed = withColumns(orders, named({ x: call('mul', col('x'), num(2)), y: col('x') }))
        expect(changed.schema.map((field) => field.name)).toEqual(['id', 'k', 'x', 's', 't', 'y'])
        expect(await plain(limit(select(changed, ['x', 'y']), 1))).toEqual([[3, 1.5]])
      })
      it('carries hostile names and texts', async () => {
        const names = ['a "b"', "c'd", 'select', 'x.y', '😀 é', '__proto__', 'constructor', '$1', 'a;--', '\\n']
        const hostile = project(
          limit(orders, 1),
          names.map((n) => ({ name: n, expr: text(n) })),
        )
        const kept = select(filter(hostile, call('eq', col("c'd"), text("c'd"))), names)
        expect(await plain(kept)).toEqual([names])
        const read = await bench.table('hostile.json', JSON.stringify([Object.fromEntries(names.map((n) => [n, n]))]))
        const known = names.filter((n) => n !== '__proto__') // an object literal cannot hold it
        expect((await engine.rows(read))[0]).toMatchObject(Object.fromEntries(known.map((n) => [n, n])))
      })
    })

    describe('query', () => {
      it('gives vectors with missing values as the served model takes them', async () => {
        const flags = withColumns(orders, named({ flag: call('gt', col('x'), num(1)), d: cast(col('t'), 'date') }))
        const found = []
        for await (const batch of engine.query(flags).batches()) found.push(batch)
        expect(found).toHaveLength(1)
        expect(found[0]?.rows).toBe(5)
        expect(found[0]?.columns).toEqual([
          Float64Array.from([1, 2, 3, 4, 5]),
          ['a', 'b', 'a', '', 'b'],
          Float64Array.from([1.5, NaN, -2, 4, 0.25]),
          ['one', 'two', '', 'four', 'five'],
          BigInt64Array.from([
            1704067200000000n,
            1704153600000000n,
            1704285000250000n,
            MISSING_TIME,
            1704412800000000n,
          ]),
          Float64Array.from([1, NaN, 0, 1, 0]),
          BigInt64Array.from([
            1704067200000000n,
            1704153600000000n,
            1704240000000000n,
            MISSING_TIME,
            1704412800000000n,
          ]),
        ])
      })
      it('gives one empty batch for no rows', async () => {
        const found = []
        for await (const batch of engine.query(filter(orders, call('lt', col('id'), int(0)))).batches())
          found.push(batch)
        expect(found.map(({ rows, columns }) => [rows, columns.map((column) => column.length)])).toEqual([
          [0, [0, 0, 0, 0, 0]],
        ])
      })
      it('keeps the order of many rows, over many batches', async () => {
        const many = await manyRows(bench, 'many.csv', 100_000)
        let at = 0
        let batches = 0
        for await (const { columns, rows } of engine.query(filter(many, call('ge', col('id'), int(0)))).batches()) {
          for (let i = 0; i < rows; i++) if (columns[0]?.[i] !== at + i) expect(columns[0]?.[i]).toBe(at + i)
          at += rows
          batches++
        }
        expect(at).toBe(100_000)
        expect(batches).toBeGreaterThan(1)
      })
      it('stops when its signal fires, before and in the middle', async () => {
        const gone = AbortSignal.abort()
        await expect(engine.rows(orders, gone)).rejects.toMatchObject({ code: 'MR_CANCELLED' })
        const many = await manyRows(bench, 'many.csv', 100_000)
        const controller = new AbortController()
        const read = async (): Promise<void> => {
          for await (const batch of engine.query(many, controller.signal).batches()) {
            expect(batch.rows).toBeGreaterThan(0)
            controller.abort()
          }
        }
        await expect(read()).rejects.toMatchObject({ code: 'MR_CANCELLED' })
        expect(await engine.rows(limit(orders, 1))).toHaveLength(1)
      })
    })

    describe('write', () => {
      it('gives the same bytes twice, in order, with the types asked for', async () => {
        const many = await manyRows(bench, 'many.csv', 100_000)
        const typed = withColumns(many, named({ f: cast(col('x'), 'float32'), i: cast(col('id'), 'int32') }))
        const one = await engine.write(typed, { folder: path('one'), format: 'parquet', compression: 'zstd' })
        const two = await engine.write(typed, { folder: path('two'), format: 'parquet', compression: 'zstd' })
        expect(one).toEqual(two)
        expect(one.rows).toBe(100_000)
        expect(one.schema).toEqual(typed.schema)
        for (const file of one.files) {
          expect((await stat(path(join('one', file.path)))).size).toBe(file.bytes)
          expect(await digestOf(path(join('one', file.path)))).toBe(await digestOf(path(join('two', file.path))))
        }
        const back = scan({ format: 'parquet', paths: one.files.map((f) => path(join('one', f.path))) }, one.schema)
        const [first, last] = [limit(back, 1), limit(back, 1, 99_999)]
        expect([...(await plain(select(first, ['id', 'i']))), ...(await plain(select(last, ['id', 'i'])))]).toEqual([
          [0n, 0n],
          [99_999n, 99_999n],
        ])
        const different = filter(back, call('ne', col('f'), cast(cast(col('x'), 'float32'), 'number')))
        expect(await plain(limit(different, 1))).toEqual([])
      })
      it('gives the same bytes where the plan has no order of its own', async () => {
        const many = await manyRows(bench, 'many.csv', 100_000)
        const groups = aggregated(many, named({ k: col('k') }), named({ n: count, top: aggregate('max', [col('id')]) }))
        const numbered = windowed(many, named({ n: window('row_number', [], [col('k')]) }))
        const tied = sort(many, [{ expr: col('k') }])
        for (const [i, relation] of [groups, numbered, tied].entries()) {
          const digests = new Set<string>()
          for (const round of [1, 2, 3]) {
            const folder = path(`order-${i}-${round}`)
            const { files } = await engine.write(relation, { folder, format: 'parquet' })
            digests.add((await Promise.all(files.map((file) => digestOf(join(folder, file.path))))).join())
          }
          expect(digests.size).toBe(1)
        }
      })
      it.each(['csv', 'json'] as const)('writes %s that reads back', async (format) => {
        const folder = path(`as-${format}`)
        const { files } = await engine.write(orders, { folder, format })
        const source = await expandSource(join(folder, files[0]?.path ?? ''))
        const { source: found, schema } = await engine.inferSchema(source)
        expect(schema).toEqual(orders.schema)
        expect(await plain(scan(found, schema))).toEqual(await plain(orders))
      })
      it('writes an empty table', async () => {
        const none = filter(orders, call('lt', col('id'), int(0)))
        const { files, rows } = await engine.write(none, { folder: path('none'), format: 'parquet' })
        expect(rows).toBe(0)
        const paths = files.map((file) => path(join('none', file.path)))
        const back = await engine.inferSchema({ format: 'parquet', paths })
        expect(back.schema).toEqual(orders.schema)
      })
      it('leaves what is there alone, and nothing behind when it fails', async () => {
        await writeFile(path('taken'), 'x')
        const write = engine.write(orders, { folder: path('taken'), format: 'parquet' })
        await expect(write).rejects.toMatchObject({ code: 'MR_FILE_EXISTS' })
        const bad = project(orders, named({ n: cast(col('s'), 'number') }))
        await expect(engine.write(bad, { folder: path('bad'), format: 'parquet' })).rejects.toMatchObject({
          code: 'MR_SOURCE_TYPE',
        })
        expect(await there(path('bad'))).toBe(false)
        expect(await there(path('bad.writing'))).toBe(false)
      })
      it('reports progress, and stops when its signal fires', async () => {
        const many = await manyRows(bench, 'many.csv', 100_000)
        const seen: number[] = []
        const progress = ({ fraction }: { fraction: number }): void => void seen.push(fraction)
        await engine.write(many, { folder: path('seen'), format: 'parquet' }, progress)
        expect(seen.at(-1)).toBe(1)
        const controller = new AbortController()
        const square = joined(many, project(many, named({ k2: col('k'), id2: col('id') })), 'inner', [
          { left: col('k'), right: col('k2') },
        ])
        setTimeout(() => controller.abort(), 100)
        const target = { folder: path('stopped'), format: 'parquet' as const }
        const stopped = engine.write(square, target, undefined, controller.signal)
        await expect(stopped).rejects.toMatchObject({ code: 'MR_CANCELLED' })
        expect(await there(path('stopped'))).toBe(false)
      })
    })

    inferenceConformance(bench)
    foldersConformance(bench)
    deletedConformance(bench)
    statisticsConformance(bench)
    timesConformance(bench)

    it('refuses to work when closed', async () => {
      const other = await open()
      await other[Symbol.asyncDispose]()
      await expect(other.rows(orders)).rejects.toMatchObject({ code: 'MR_ENGINE_FAILED' })
    })
  })
}

const there = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  )

/** id 0…n-1, k one of seven letters, x a double with many digits (missing every 101 rows). */
export async function manyRows(bench: Bench, file: string, rows: number): Promise<Relation> {
  if (!(await there(bench.path(file)))) {
    const lines = ['id,k,x']
    for (let i = 0; i < rows; i++)
      lines.push(`${i},${'abcdefg'[(i * 31) % 7]},${i % 101 === 0 ? '' : Math.sin(i) * 10 ** ((i % 9) - 4)}`)
    await writeFile(bench.path(file), `${lines.join('\n')}\n`)
  }
  const { source, schema } = await bench.engine.inferSchema(await expandSource(bench.path(file)))
  return scan(source, schema)
}

export const digestOf = async (file: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
