/** Declared types that the values do not have. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ColumnType } from '../core/schema.js'
import { checkDeclared } from './declared.js'
import { openDuckDb } from './duckdb/engine.js'
import type { Engine } from './engine.js'
import { expandSource } from './source.js'

let engine: Engine
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-declared-'))
  engine = await openDuckDb({ threads: 2 })
  const rows = ['1,1.0,01,true,2024-01-02', '2,1.5,x,no,2024-02-30', ' 3 , ,na,1,soon', '99999999999999999999,-2,?,,']
  await writeFile(join(folder, 'a.csv'), `big,half,words,flag,day\n${rows.join('\n')}\n`)
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function check(types: Readonly<Record<string, ColumnType>>): Promise<void> {
  const { source, schema } = await engine.inferSchema(await expandSource(join(folder, 'a.csv')))
  const declared = schema.map((field) => ({ ...field, type: types[field.name] ?? field.type }))
  await checkDeclared(engine, source, schema, declared)
}

test.each([
  ['half', 'integer', '"half" is declared integer, but 1 value is not: "1.5" in row 2'],
  ['words', 'number', '"words" is declared number, but 1 value is not: "x" in row 2'],
  ['day', 'date', '"day" is declared date, but 2 values are not: "2024-02-30" in row 2, "soon" in row 3'],
  ['big', 'integer', '"big" is declared integer, but 1 value is not: "99999999999999999999" in row 4'],
] as const)('%s as %s', async (name, type, words) => {
  await expect(check({ [name]: type })).rejects.toMatchObject({
    code: 'MR_SOURCE_TYPE',
    message: expect.stringContaining(words) as string,
  })
})

test('all columns at fault are named at once; types that hold the values pass, missing ones too', async () => {
  await expect(check({ half: 'integer', words: 'number' })).rejects.toThrow(/"half".*; "words"/)
  await check({ half: 'text', big: 'number', words: 'text', flag: 'boolean' })
})
