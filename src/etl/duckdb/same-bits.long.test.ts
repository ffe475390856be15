/** The same bytes and bits for 1, 2 and 4 threads, and with little memory, over several row groups. */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from '../engine.js'
import { call, cast, col, int, num, position, text, when } from '../expr.js'
import { filter, join as joined, project, scan, type Relation, union, windowed, withColumns } from '../relation.js'
import { openDuckDb } from './engine.js'
import type { DuckDbOptions } from './session.js'

const ROWS = 300_000
const SETTINGS: readonly DuckDbOptions[] = [{ threads: 1 }, { threads: 2 }, { threads: 4, memoryLimit: '200MB' }]
let folder: string
let csv: string
let parquet: string

let csvSource: Awaited<ReturnType<Engine['inferSchema']>>
const csvScan = (): Relation => scan(csvSource.source, csvSource.schema, { rowNumber: 'row' })
const parquetScan = (): Relation =>
  scan(
    { format: 'parquet', paths: [parquet] },
    [
      { name: 'id', type: 'integer' },
      { name: 'k', type: 'text' },
      { name: 'x', type: 'number' },
    ],
    { rowNumber: 'row' },
  )

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-bits-'))
  csv = join(folder, 't.csv')
  const lines = ['id,k,x']
  for (let i = 0; i < ROWS; i++)
    lines.push(`${i},${'abcdefghijklmnop'[(i * 7919) % 16]},${i % 97 === 0 ? '' : Math.sin(i) * 10 ** ((i % 13) - 6)}`)
  await writeFile(csv, lines.join('\n'))
  const engine = await openDuckDb({ threads: 2 })
  csvSource = await engine.inferSchema({ format: 'csv', paths: [csv] })
  // filtered, so that its row groups have odd sizes
  const odd = filter(csvScan(), call('ne', call('int_mod', col('id'), int(11)), int(3)))
  const { files } = await engine.write(odd, { folder: join(folder, 'table'), format: 'parquet' })
  parquet = join(folder, 'table', files[0]?.path ?? '')
  await engine[Symbol.asyncDispose]()
})
afterAll(() => rm(folder, { recursive: true }))

/** What each setting gives; all must be equal. */
async function everywhere<T>(work: (engine: Engine, index: number) => Promise<T>): Promise<readonly T[]> {
  const results: T[] = []
  for (const [index, options] of SETTINGS.entries()) {
    const engine = await openDuckDb(options)
    try {
      results.push(await work(engine, index))
    } finally {
      await engine[Symbol.asyncDispose]()
    }
  }
  return results
}

describe('the same whatever the threads and the memory', () => {
  const few = ['a', 'c', 'e', 'g', 'i', 'k', 'm', 'o', 'b', 'd', 'f', 'h']
  const features = (input: Relation): Relation =>
    project(input, [
      { name: 'row', expr: col('row') },
      {
        name: 'x',
        expr: cast(call('div', call('sub', call('coalesce', col('x'), num(0.5)), num(0.1)), num(3)), 'float32'),
      },
      { name: 'k', expr: cast(call('coalesce', position(col('k'), few), int(12)), 'int32') },
      { name: 'in', expr: { op: 'in', value: col('k'), values: few, type: 'text' } },
    ])
  const keys = (input: Relation): Relation => {
    const right = project(filter(input, call('lt', col('id'), int(50))), [{ name: 'id2', expr: col('id') }])
    return joined(input, right, 'left', [{ left: col('id'), right: col('id2') }])
  }
  const plans: Readonly<Record<string, () => Relation>> = {
    'rows of a CSV file': csvScan,
    'rows of a Parquet file': () => parquetScan(),
    'filtered rows': () => filter(parquetScan(), call('ne', col('k'), text('e'))),
    'features with a vocabulary and a list': () => features(parquetScan()),
    'features of a CSV file': () => features(csvScan()),
    'a join': () => keys(parquetScan()),
    'a window': () =>
      windowed(parquetScan(), [
        {
          name: 'n',
          expr: { op: 'window', fn: 'row_number', args: [], partitionBy: [col('k')], orderBy: [{ expr: col('id') }] },
        },
      ]),
    'one after the other': () =>
      union([parquetScan(), withColumns(parquetScan(), [{ name: 'x', expr: call('neg', col('x')) }])]),
  }
  it.each(Object.keys(plans))(
    'bytes of %s',
    async (name) => {
      const digests = await everywhere(async (engine, index) => {
        const relation = (plans[name] ?? csvScan)()
        const target = join(folder, `${name}-${index}`)
        const { files } = await engine.write(relation, { folder: target, format: 'parquet', compression: 'zstd' })
        const bytes = await readFile(join(target, files[0]?.path ?? ''))
        await rm(target, { recursive: true })
        return createHash('sha256').update(bytes).digest('hex')
      })
      expect(new Set(digests).size).toBe(1)
    },
    120_000,
  )

  it('bytes of partitions, of rows that are computed once and of rows that are read for each', async () => {
    const split = when(call('lt', call('int_mod', col('id'), int(10)), int(7)), text('train'), text('test'))
    const computed = project(features(parquetScan()), [
      ...features(parquetScan()).schema.map(({ name }) => ({ name, expr: col(name) })),
      { name: 'part', expr: when(call('lt', call('int_mod', col('row'), int(10)), int(7)), text('a'), text('b')) },
    ])
    const kept = withColumns(parquetScan(), [{ name: 'part', expr: split }])
    const source = await everywhere(async (engine, index) => {
      const digests: string[] = []
      for (const [name, relation] of Object.entries({ computed, kept })) {
        const target = join(folder, `${name}-${index}`)
        const { files } = await engine.write(relation, {
          ...{ folder: target, format: 'parquet', compression: 'zstd', quick: true, partitionBy: ['part'] },
        })
        expect(files).toHaveLength(2)
        for (const { path } of files)
          digests.push(
            createHash('sha256')
              .update(await readFile(join(target, path)))
              .digest('hex'),
          )
      }
      return digests.join()
    })
    expect(new Set(source).size).toBe(1)
  }, 120_000)

  it('bits of statistics', async () => {
    const requests = ['x', 'id'].map((name) => ({
      name,
      expr: cast(col(name), 'number'),
      mean: true,
      stddev: true,
      range: true,
      quantiles: [0.01, 0.5, 0.77],
    }))
    const counts = { name: 'k', expr: col('k'), values: 5, distinct: true }
    for (const plan of ['rows of a Parquet file', 'filtered rows', 'rows of a CSV file', 'a join']) {
      const found = await everywhere(async (engine) => {
        const facts = await engine.statistics((plans[plan] ?? csvScan)(), [...requests, counts])
        return JSON.stringify([...facts])
      })
      expect(new Set(found).size, plan).toBe(1)
    }
  }, 120_000)

  it('may read and write only below its folders, if it is given some', async () => {
    const inside = join(folder, 'inside')
    const engine = await openDuckDb({ threads: 2, folders: [inside] })
    try {
      await expect(engine.rows(parquetScan())).rejects.toMatchObject({ code: 'MR_FILE_ACCESS' })
    } finally {
      await engine[Symbol.asyncDispose]()
    }
  })
})
