/** Statistics of a table of files, some of which were seen before: what a memo held changes nothing of what is found. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openMemo } from '../../core/memo.js'
import { sha256File } from '../../core/files.js'
import type { Engine, StatisticsRequest } from '../engine.js'
import { call, cast, col, int, num, when, missing, text } from '../expr.js'
import { filter, project, scan, type Relation } from '../relation.js'
import { openDuckDb } from './engine.js'

let folder: string
let plain: Engine
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-merged-'))
  plain = await openDuckDb({ threads: 2, tempFolder: folder })
}, 60_000)
afterAll(async () => {
  await plain[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const FILES: readonly (readonly [rows: number, from: number, step: number])[] = [
  [3000, 0, 1],
  [2000, 3000, 1],
  [1, -7, 1],
  [60_000, 0, 3],
  [100, 1_000_000, 1000],
]
const SCHEMA = [
  { name: 'id', type: 'integer' },
  { name: 'x', type: 'number' },
  { name: 'few', type: 'integer' },
  { name: 't', type: 'text' },
  { name: 'many', type: 'text' },
] as const

/** A Parquet file and its digest. */
async function write(index: number): Promise<{ path: string; digest: string; rows: number }> {
  const [rows = 0, from = 0, step = 1] = FILES[index] ?? []
  const seed = scan({ format: 'csv', paths: [await numbers(rows)], csv: { columns: ['n'] } }, [
    { name: 'n', type: 'integer' },
  ])
  const id = call('add', call('mul', col('n'), int(step)), int(from))
  const table = project(project(seed, [{ name: 'id', expr: id }]), [
    { name: 'id', expr: col('id') },
    {
      name: 'x',
      expr: when(
        call('eq', call('int_mod', col('id'), int(11)), int(0)),
        missing('number'),
        call('div', cast(col('id'), 'number'), num(7)),
      ),
    },
    { name: 'few', expr: call('int_mod', col('id'), int(7)) },
    { name: 't', expr: call('concat', text('t'), cast(call('int_mod', col('id'), int(13)), 'text')) },
    { name: 'many', expr: call('concat', text('m'), cast(call('int_div', col('id'), int(2)), 'text')) },
  ])
  const target = join(folder, `table-${index}`)
  await plain.write(table, { folder: target, format: 'parquet' })
  const path = join(target, 'part-0.parquet')
  return { path, rows, digest: (await sha256File(path)).digest }
}

async function numbers(rows: number): Promise<string> {
  const path = join(folder, `n-${rows}.csv`)
  await writeFile(path, `n\n${Array.from({ length: rows }, (_, i) => i).join('\n')}\n`)
  return path
}

const REQUESTS: readonly StatisticsRequest[] = [
  { name: 'id', expr: col('id'), mean: true, stddev: true, histogram: true, distinct: 'few' },
  { name: 'x', expr: col('x'), mean: true, stddev: true, histogram: true },
  { name: 'few', expr: col('few'), histogram: true, distinct: 'few', values: 3 },
  { name: 'few too', expr: col('few'), distinct: 'few' },
  { name: 't', expr: col('t'), values: 5, distinct: true },
  { name: 'many', expr: col('many'), values: 3, distinct: true },
]

it('are those of a table that nobody has seen, in whatever order files come and go', async () => {
  const files = await Promise.all(FILES.map((_, i) => write(i)))
  const memo = await openMemo(join(folder, 'memo'), { scope: 'test' })
  await using engine = await openDuckDb({ threads: 2, tempFolder: folder, memo })
  const over = (isKnown: boolean, indices: readonly number[]): Relation => {
    const some = indices.flatMap((i) => files[i] ?? [])
    let rows = 0
    const source = {
      format: 'parquet',
      paths: some.map(({ path }) => path),
      ...(isKnown ? { digests: Object.fromEntries(some.map(({ path, digest }) => [path, digest])) } : {}),
    } as const
    return scan(source, SCHEMA, { rowNumber: 'row', rowsBefore: some.map((file) => (rows += file.rows) - file.rows) })
  }
  const shapes: readonly ((table: Relation) => Relation)[] = [
    (table) => table,
    (table) => filter(table, call('ne', col('few'), int(3))),
  ]
  // grows beyond its range, shrinks, is one value, and grows again
  for (const indices of [[0], [0, 1], [0, 1, 3, 4], [0, 1, 3], [2], [2, 1], [0, 1, 2, 3, 4]])
    for (const shape of shapes) {
      const found = Object.fromEntries(await engine.statistics(shape(over(true, indices)), REQUESTS))
      expect(found).toEqual(Object.fromEntries(await plain.statistics(shape(over(true, indices)), REQUESTS)))
      // all files as one, which nothing is known of
      expect(found).toEqual(Object.fromEntries(await plain.statistics(shape(over(false, indices)), REQUESTS)))
    }
  const all = await engine.statistics(over(true, [0, 1, 2, 3, 4]), REQUESTS)
  expect(all.get('few')).toMatchObject({ distinct: 7, missing: 0 })
  expect(all.get('id')?.distinct).toBeUndefined()
  expect(all.get('few too')?.distinct).toBe(7)
  expect(all.get('many')?.distinct).toBe(
    new Set(
      FILES.flatMap(([rows, from, step]) => Array.from({ length: rows }, (_, n) => Math.floor((n * step + from) / 2))),
    ).size,
  )
  expect(all.get('id')?.histogram?.counts.reduce((sum, n) => sum + n)).toBe(65_101)
}, 60_000)
