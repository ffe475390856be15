/** Files as people have them: odd headers, other encodings, infinite values. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../engine.js'
import { call, cast, col, num } from '../expr.js'
import { inferNamed } from '../named-header.js'
import { profileTable } from '../profile.js'
import { project, scan } from '../relation.js'
import { expandSource } from '../source.js'
import { openDuckDb } from './engine.js'

let folder: string
let engine: Engine
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-hard-'))
  engine = await openDuckDb({ tempFolder: folder })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function written(name: string, bytes: string | Buffer) {
  const file = join(folder, name)
  await writeFile(file, bytes)
  return expandSource(file)
}
const names = async (name: string, text: string): Promise<string[]> =>
  (await engine.inferSchema(await written(name, text))).schema.map((field) => field.name)

describe('a first line', () => {
  test.each([
    ['all text', 'a,b\nx,y\n', ['a', 'b']],
    ['a number above text, text above numbers', 'size,weight,1\n4,2.5,p\n5,1,q\n', ['size', 'weight', '1']],
    ['data', '1,x\n2,y\n', ['column_1', 'column_2']],
    ['data with a word for a missing number', 'NA,1\n3,2\n4,5\n', ['column_1', 'column_2']],
    ['years above numbers, with nothing to tell by', 'id,2023\nk1,5\nk2,6\n', ['column_1', 'column_2']],
  ])('of %s', async (_, text, expected) => {
    expect(await names('first.csv', text)).toEqual(expected)
  })

  test('is a header after all where only so a known name is there', async () => {
    const infer = (source: Parameters<Engine['inferSchema']>[0]) => engine.inferSchema(source)
    const years = await written('years.csv', 'id,2023\nk1,5\nk2,6\n')
    const named = await inferNamed(years, ['id'], infer)
    expect(named.byName).toBe(true)
    expect(named.schema.map(({ name }) => name)).toEqual(['id', '2023'])
    expect((await inferNamed(years, ['label'], infer)).schema.map(({ name }) => name)).toEqual(['column_1', 'column_2'])
    const repeated = await written('repeated.csv', '0,0,id\n1,2,id\n')
    expect((await inferNamed(repeated, ['label'], infer)).byName).toBe(false)
  })
})

test.each([
  ['utf16.csv', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'), 'MR_SOURCE_ENCODING', 'UTF-16'],
  ['zero.csv', Buffer.from('a,b\n1,x\0y\n'), 'MR_SOURCE_ENCODING', 'zero byte, at byte 7'],
  ['packed.csv', Buffer.from('28b52ffd0000', 'hex'), 'MR_SOURCE_FORMAT', 'zstd'],
  ['zipped.csv', Buffer.from('1f8b0800', 'hex'), 'MR_SOURCE_FORMAT', 'gzip'],
])('%s is refused for what it is', async (name, bytes, code, words) => {
  const source = await written(name, bytes)
  await expect(engine.inferSchema(source)).rejects.toMatchObject({ code })
  await expect(engine.inferSchema(source)).rejects.toThrow(words)
})

test('a category that holds NUL has its index', async () => {
  const source = await written('nul.jsonl', '{"c":"x\\u0000y"}\n{"c":"x"}\n{"c":"other"}\n')
  const { schema } = await engine.inferSchema(source)
  const index = { op: 'position', value: col('c'), values: ['x', 'x\0y'] } as const
  const rows = await engine.rows(project(scan(source, schema), [{ name: 'i', expr: index }]))
  expect(rows.map((row) => row['i'])).toEqual([1n, 0n, null])
})

test.each([
  ['infinite', num(Infinity)],
  ['too large to square', num(1e200)],
])('statistics of %s values say so and do not fail; the others are as they are', async (_, value) => {
  const source = await written('values.csv', 'x\n1\n2\n3\n')
  const { schema } = await engine.inferSchema(source)
  const table = project(scan(source, schema), [
    { name: 'x', expr: cast(col('x'), 'number') },
    { name: 'wild', expr: call('mul', col('x'), value) },
  ])
  const found = await engine.statistics(table, [
    { name: 'x', expr: col('x'), stddev: true },
    { name: 'wild', expr: col('wild'), stddev: true, range: true },
  ])
  expect(found.get('x')?.stddev).toBe(1)
  expect(Number.isFinite(found.get('wild')?.stddev)).toBe(false)
  expect(found.get('wild')?.max).toBe(value.op === 'literal' ? 3 * Number(value.value) : 0)
  const [plain, wild] = await profileTable(engine, table, table.schema)
  expect(plain).toMatchObject({ min: 1, max: 3, stddev: 1 })
  expect(wild).not.toHaveProperty('stddev')
  expect(wild).toMatchObject({ missing: 0 })
})

test.each([
  ['one of them', [1, 1e160, 2]],
  ['all the same, whose variance is 0', [1e160, 1e160, 1e160]],
])('values too large to square, %s: the deviation is the same with the range and without', async (_, values) => {
  const source = await written('large.csv', `x\n${values.join('\n')}\n`)
  const { schema } = await engine.inferSchema(source)
  const table = project(scan(source, schema), [{ name: 'x', expr: cast(col('x'), 'number') }])
  const request = { name: 'x', expr: col('x'), mean: true, stddev: true }
  const found = await engine.statistics(table, [request])
  expect(found.get('x')?.stddev).toBe(Infinity)
  expect(await engine.statistics(table, [{ ...request, range: true }])).toEqual(
    new Map([['x', { ...found.get('x'), min: Math.min(...values), max: Math.max(...values) }]]),
  )
})
