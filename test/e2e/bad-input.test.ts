/** Input that cannot be used: one clear error, the exit code of docs/bad-input.md, no stack trace, nothing half-written. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Finished, folder, millrace, succeed } from './cli.js'

const lines = (n: number, row: (i: number) => string): string => Array.from({ length: n }, (_, i) => row(i)).join('\n')
const yes = (i: number): string => (i % 3 === 0 ? 'yes' : 'no')
const good = `a,c,y\n${lines(120, (i) => `${(i * 37) % 100},${'pqr'[i % 3]},${yes(i)}`)}\n`

function expectOneError(result: Finished, code: string, words: string): void {
  expect(result.code, result.stdout + result.stderr).toBe(2)
  expect(result.stderr.match(/^error MR_/gm)).toHaveLength(1)
  expect(result.stderr).toContain(`error ${code}`)
  expect(result.stderr).toContain(words)
  expect(result.stderr).not.toMatch(/\n\s+at /)
}

describe('refused by init, which writes nothing', () => {
  test.each([
    ['an empty file', 'empty.csv', '', 'MR_SOURCE_EMPTY', '0 bytes'],
    ['a header only', 'header.csv', 'a,c,y\n', 'MR_LABEL_ONE_CLASS', 'there are no rows'],
    ['one class', 'one.csv', good.replaceAll(/yes|no/g, 'yes'), 'MR_LABEL_ONE_CLASS', "'yes' in every row"],
    ['names that differ in case only', 'case.csv', good.replace('a,c,y', 'a,A,y'), 'MR_SOURCE_HEADER', 'a and A'],
    ['a row too long', 'long.csv', good.replace('37,q,no', '37,q,no,more'), 'MR_SOURCE_ROW', 'long.csv:3:1'],
    ['Latin-1', 'latin.csv', Buffer.from(good.replace('74,r', '74,\u00fc'), 'latin1'), 'MR_SOURCE_ENCODING', 'iconv'],
    ['UTF-16', 'utf16.csv', Buffer.from(`\ufeff${good}`, 'utf16le'), 'MR_SOURCE_ENCODING', 'UTF-16'],
    ['no Parquet', 'text.parquet', 'hello', 'MR_SOURCE_CORRUPT', 'text.parquet'],
    ['broken JSON', 'broken.jsonl', '{"a":1,"y":"p"}\n{"a":\n', 'MR_SOURCE_ROW', 'malformed JSON'],
    ['a format unknown', 'table.xlsx', 'PK', 'MR_SOURCE_FORMAT', '.parquet'],
    ['a label unknown', 'label.csv', good.replace('a,c,y', 'a,c,Y'), 'MR_LABEL_MISSING', "did you mean 'Y'"],
  ])('%s', async (_, name, content, code, words) => {
    await using made = await folder()
    await writeFile(join(made.path, name), content)
    const result = await millrace(['init', name, '--label', 'y', '--yes'], made.path)
    expectOneError(result, code, words)
    expect(await readdir(made.path)).toEqual([name])
  })
})

/** A pipeline file for `data`, made by init. */
async function initiated(path: string, data: string, content: string | Buffer, label = 'y'): Promise<string> {
  await mkdir(path, { recursive: true })
  await writeFile(join(path, data), content)
  await succeed(['init', join(path, data), '--label', label, '--out', join(path, 'pipeline.yaml'), '--yes'])
  return join(path, 'pipeline.yaml')
}

describe('refused by run, which registers nothing', () => {
  test.each([
    ['five rows', good.split('\n').slice(0, 6).join('\n'), [], 'MR_SPLIT_EMPTY', 'no row falls into'],
    ['nothing but the label', `y\n${lines(60, yes)}\n`, [], 'MR_FEATURE_NONE', 'y (the label)'],
    ['a name of Millrace’s own', good.replace('a,c,y', 'a,__row,y'), [], 'MR_SOURCE_RESERVED', '__row'],
    ['a type that values do not have', good, ['data.schema={c: integer}'], 'MR_SOURCE_TYPE', '"p" in row 1'],
    ['an unknown column in the rules', good, ['features.exclude=["cc"]'], 'MR_FEATURE_COLUMN', "'cc'"],
  ])('%s', async (_, content, set, code, words) => {
    await using made = await folder()
    const file = await initiated(made.path, 'data.csv', content)
    const result = await millrace(['run', file, ...set.flatMap((each) => ['--set', each])])
    expectOneError(result, code, words)
    expect(existsSync(join(made.path, 'output'))).toBe(false)
    const models = await millrace(['models', 'data', '--home', join(made.path, '.millrace')])
    expectOneError(models, 'MR_MODEL_UNKNOWN', 'no model')
  })
})

test('hostile names are names like any other, from the raw file to the scored one', async () => {
  const names = [
    'a "b"',
    "it's",
    'dot.ted',
    '😀',
    'select',
    '__proto__',
    'constructor',
    'x'.repeat(300),
    '${HOME}',
    '1',
  ]
  await using made = await folder()
  const header = names.map((name) => `"${name.replaceAll('"', '""')}"`).join(',')
  const content = `${header},split\n${lines(200, (i) => `${names.map((_, k) => (i * (k + 3) * 7919) % 1009).join(',')},${yes(i)}`)}\n`
  const path = join(made.path, "a folder's name")
  const file = await initiated(path, 'my "data".csv', content, 'split')
  await succeed(['run', file])
  const scored = join(path, 'scored.parquet')
  const home = ['--home', join(path, '.millrace')]
  await succeed(['predict', 'models:/my data@champion', join(path, 'my "data".csv'), '--out', scored, ...home])
  expect(existsSync(scored)).toBe(true)
})
