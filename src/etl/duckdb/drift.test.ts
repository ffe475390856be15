/** Many files of one source whose columns or types differ: told apart, or filled; the same table each time. */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DriftRules, Engine } from '../engine.js'
import { scan } from '../relation.js'
import { expandSource } from '../source.js'
import { openDuckDb } from './engine.js'

let root: string
let engine: Engine
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-drift-'))
  engine = await openDuckDb({ tempFolder: root })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})

let folders = 0
async function written(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = join(root, `f${folders++}`)
  await mkdir(folder)
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return folder
}
/** Parquet files made of queries. */
async function parquet(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await written({})
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const connection = await (await DuckDBInstance.create()).connect()
  for (const [name, sql] of Object.entries(files))
    await connection.run(`COPY (${sql}) TO '${join(folder, name)}' (FORMAT parquet)`)
  connection.closeSync()
  return folder
}
const infer = async (folder: string, drift?: DriftRules) =>
  engine.inferSchema(await expandSource(folder), undefined, drift)
async function table(folder: string, drift?: DriftRules) {
  const { source, schema, notes } = await infer(folder, drift)
  const rows = await engine.rows(scan(source, schema))
  return {
    types: schema.map(({ name, type }) => `${name} ${type}`),
    rows: rows.map((row) => Object.values(row)),
    notes,
  }
}
const refusal = async (folder: string, drift?: DriftRules) => {
  const error = await infer(folder, drift).then(
    () => undefined,
    (thrown: unknown) => thrown as { code: string; message: string; hint: string },
  )
  return error && { ...error, code: error.code, message: error.message.replace(folder, 'DIR'), hint: error.hint }
}
const csv = (header: string, ...rows: string[]): string => `${[header, ...rows].join('\n')}\n`

describe('CSV files', () => {
  test('in other orders are one table, by name', async () => {
    const folder = await written({
      '1.csv': csv('a,b,c', '1,x,1.5', '2,y,2.5'),
      '2.csv': csv('c,a,b', '3.5,3,z'),
      '3.csv': csv('a,b,c', '4,w,4.5'),
      '4.csv': '',
    })
    expect(await table(folder)).toEqual({
      types: ['a integer', 'b text', 'c number'],
      rows: [
        [1n, 'x', 1.5],
        [2n, 'y', 2.5],
        [3n, 'z', 3.5],
        [4n, 'w', 4.5],
      ],
      notes: [],
    })
  })

  const months = {
    '1.csv': csv('id,amount,fee', '1,10,0.5'),
    '2.csv': csv('id,amount,fee', '2,20,0.5'),
    '3.csv': csv('tax,id,amount', '9,3,30.5'),
    '4.csv': csv('id,amount,fee', '4,lots,1'),
    '5.csv': csv('id,amount,fee,note', '5,50,1,n'),
  }
  test('with other columns and types are told apart in one error', async () => {
    expect(await refusal(await written(months))).toMatchObject({
      code: 'MR_SOURCE_DRIFT',
      message:
        'the files in DIR/ differ: 3 files (1.csv, 2.csv, 4.csv) have id, amount, fee; ' +
        '1 file (3.csv) lacks fee and has tax (did fee become tax?); 1 file (5.csv) has also note; ' +
        "1 file (4.csv) has amount as text where others have number, e.g. 'lots' in row 1",
      hint: expect.stringMatching(/schema_drift: fill.*data\.schema: \{amount: text\}/) as string,
    })
  })
  test('are filled if asked: what a file lacks is missing, types widen, and it is said', async () => {
    const { types, rows, notes } = await table(await written(months), { fill: true })
    expect(types).toEqual(['id integer', 'amount text', 'fee number', 'tax integer', 'note text'])
    expect(rows).toEqual([
      [1n, '10', 0.5, null, null],
      [2n, '20', 0.5, null, null],
      [3n, '30.5', null, 9n, null],
      [4n, 'lots', 1, null, null],
      [5n, '50', 1, null, 'n'],
    ])
    expect(notes).toHaveLength(4)
    const { '4.csv': _, ...rest } = months
    expect((await table(await written(rest), { fill: true })).types).toContain('amount number')
  })
  test('one file alone is read with the columns of all', async () => {
    const { source, schema } = await infer(await written(months), { fill: true })
    const rows = await engine.rows(scan({ ...source, paths: source.paths.slice(2, 3) }, schema))
    expect(rows).toEqual([{ id: 3n, amount: '30.5', fee: null, tax: 9n, note: null }])
  })
  test('whole numbers beside fractions, dates beside times and columns without values are no drift', async () => {
    const folder = await written({
      '1.csv': csv('n,d,e', '1,2024-01-01,', '2,2024-01-02,'),
      '2.csv': csv('n,d,e', '1.5,2024-01-01 10:00:00,x'),
      '3.csv': csv('n,d,e', 'NA,,'),
    })
    expect((await table(folder)).types).toEqual(['n number', 'd timestamp', 'e text'])
  })
  test('text that is a number in a few files by chance is text, and so is what is declared', async () => {
    const few = await written({ '1.csv': csv('t', 'A1', '7'), '2.csv': csv('t', '12'), '3.csv': csv('t', 'B2') })
    expect((await table(few)).types).toEqual(['t text'])
    const many = await written({ '1.csv': csv('t', 'A1', '7'), '2.csv': csv('t', '12'), '3.csv': csv('t', '5') })
    expect(await refusal(many)).toMatchObject({ code: 'MR_SOURCE_DRIFT' })
    expect((await table(many, { declared: ['t'] })).types).toEqual(['t text'])
  })
  test('an odd value far down is found, with its row', async () => {
    const rows = (n: number, last: string): string[] => [...Array.from({ length: n }, (_, i) => String(i)), last]
    const folder = await written({ 'a.csv': csv('x', ...rows(3000, '1')), 'b.csv': csv('x', ...rows(5000, 'oops')) })
    expect((await refusal(folder))?.message).toContain(
      "1 file (b.csv) has x as text where others have integer, e.g. 'oops' in row 5001",
    )
  })
  test('names that differ in case are told in the error, and one column when filled', async () => {
    const folder = await written({ '1.csv': csv('a,Fee', '1,2'), '2.csv': csv('fee,a', '3,4') })
    expect((await refusal(folder))?.message).toContain('did Fee become fee?')
    expect(await table(folder, { fill: true })).toMatchObject({
      types: ['a integer', 'Fee integer'],
      rows: [
        [1n, 2n],
        [4n, 3n],
      ],
    })
  })
  test('without a header go by position', async () => {
    const folder = await written({ '1.csv': '1,x\n2,y\n', '2.csv': '3,z\n' })
    expect((await table(folder)).rows).toEqual([
      [1n, 'x'],
      [2n, 'y'],
      [3n, 'z'],
    ])
  })
})

describe('JSON lines', () => {
  test('with keys that come and go within files are one table', async () => {
    const folder = await written({ '1.jsonl': '{"a":1,"b":2}\n{"a":1}\n', '2.jsonl': '{"a":3}\n' })
    expect(await table(folder)).toMatchObject({
      types: ['a integer', 'b integer'],
      rows: [
        [1n, 2n],
        [1n, null],
        [3n, null],
      ],
    })
  })
  test('with keys that all objects of some files have and none of others are told apart, or filled', async () => {
    const folder = await written({ '1.jsonl': '{"a":1,"fee":2}\n', '2.jsonl': '{"a":1,"tax":"x"}\n' })
    expect((await refusal(folder))?.message).toContain('1 file (2.jsonl) lacks fee and has tax (did fee become tax?)')
    expect((await table(folder, { fill: true })).rows).toEqual([
      [1n, 2n, null],
      [1n, null, 'x'],
    ])
  })
})

describe('Parquet files', () => {
  test('with other columns or types are told apart, or filled', async () => {
    const folder = await parquet({
      '1.parquet': 'SELECT 1::BIGINT AS a, 2.5::DOUBLE AS b',
      '2.parquet': "SELECT 'x' AS a, 1::INTEGER AS b",
      '3.parquet': 'SELECT 7::DOUBLE AS b, 3::SMALLINT AS a, true AS c',
      '4.parquet': 'SELECT NULL::VARCHAR AS a, 1::BIGINT AS b',
    })
    expect((await refusal(folder))?.message).toMatch(
      /3 files \(1\.parquet, 2\.parquet, 4\.parquet\) have a, b; 1 file \(3\.parquet\) has also c; 1 file \(2\.parquet\) has a as text where others have integer$/,
    )
    expect(await table(folder, { fill: true })).toMatchObject({
      types: ['a text', 'b number', 'c boolean'],
      rows: [
        ['1', 2.5, null],
        ['x', 1, null],
        ['3', 7, true],
        [null, 1, null],
      ],
    })
  })

  test('that store a column in different types are each read by themselves, in any order', async () => {
    const big = 'SELECT 16777217::BIGINT AS x, 16777217::BIGINT AS n, NULL::INTEGER AS t'
    const small = "SELECT 0.1::FLOAT AS x, 5::INTEGER AS n, TIMESTAMP '2024-01-01' AS t"
    const [a, b] = [
      [16777217, 16777217n, null],
      [Math.fround(0.1), 5n, 1704067200000000n],
    ]
    // BIGINT beside FLOAT would be FLOAT, whose nearest to the first is 16777216
    const declared = { n: 'integer', t: 'timestamp', x: 'number' } as const
    for (const [files, rows] of [
      [{ '1.parquet': big, '2.parquet': small }, [a, b]],
      [{ '1.parquet': small, '2.parquet': big, '3.parquet': small }, [b, a, b]],
      [{ '1.parquet': big, '2.parquet': `${small}, 1 AS y` }, [a, b]],
    ] as const) {
      const { source, schema } = await infer(await parquet(files), { fill: true })
      const types = schema.flatMap(({ name }) =>
        name in declared ? [{ name, type: declared[name as keyof typeof declared] }] : [],
      )
      const found = await engine.rows(scan(source, types, { rowNumber: 'r' }))
      const value = (v: unknown) => (typeof v === 'string' ? BigInt(Date.parse(`${v}Z`)) * 1000n : v)
      expect(found.map((row) => [row['x'], row['n'], value(row['t'])])).toEqual(rows)
      expect(found.map((row) => row['r'])).toEqual(rows.map((_, i) => BigInt(i)))
    }
  })
})

test('the same rows, types and bytes for any number of threads, and the same table from one file or many', async () => {
  const line = (i: number): string => `${i},${(i * 7919) % 1000}.5,${i % 3 === 0 ? 'x' : 'y'}`
  const rows = Array.from({ length: 60_000 }, (_, i) => line(i))
  const swapped = rows.map((row) => row.split(',')).map(([a, b, c]) => `${c},${b},${a}`)
  const many: Record<string, string> = {}
  for (let i = 0; i < 20; i++) {
    const [from, to] = [i * 3000, (i + 1) * 3000]
    many[`${String(i).padStart(2, '0')}.csv`] =
      i % 3 === 1 ? csv('c,b,a', ...swapped.slice(from, to)) : csv('a,b,c', ...rows.slice(from, to))
  }
  const digests = new Set<string>()
  for (const folder of [await written(many), await written({ 'all.csv': csv('a,b,c', ...rows) })])
    for (const threads of [2, 4]) {
      await using other = await openDuckDb({ tempFolder: root, threads })
      const { source, schema } = await other.inferSchema(await expandSource(folder))
      const target = join(root, `out${folders++}`)
      const { files } = await other.write(scan(source, schema), {
        folder: target,
        format: 'parquet',
        compression: 'zstd',
      })
      digests.add(
        createHash('sha256')
          .update(await readFile(join(target, files[0]?.path ?? '')))
          .digest('hex'),
      )
    }
  expect(digests.size).toBe(1)
})
