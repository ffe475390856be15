/** gzip and zstd files: the same table as the plain one; torn and damaged ones are refused whole, and named. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readStart, requireWhole } from './compressed.js'
import { openDuckDb } from './duckdb/engine.js'
import type { Engine } from './engine.js'
import { scan } from './relation.js'
import { expandSource } from './source.js'

const rows = Array.from({ length: 30_000 }, (_, i) => [i, (i * 7919) % 10_007])
const texts = {
  csv: `a,b\n${rows.map(([a, b]) => `${a},x${b}`).join('\n')}\n`,
  tsv: `a\tb\n${rows.map(([a, b]) => `${a}\tx${b}`).join('\n')}\n`,
  jsonl: `${rows.map(([a, b]) => `{"a":${a},"b":"x${b}"}`).join('\n')}\n`,
}
const EXPECTED = { rows: 30_000, last: [29_999n, `x${rows[29_999]?.[1]}`] }

/** 60 lines of JSON as zstd's own program writes them: with a checksum, which DuckDB's writer leaves out. */
const CHECKED = Buffer.from(
  [
    'KLUv/QRoHQgAhpYvEsBXOsar+NsnUkqZUkpMVzyHBS0AKAAnADTeDLG7lLk+ZptXMZKrWEtU/Qh5xPP6L3M97UpnrWYAByEKgkAgCAEhEAaCQV',
    'OuIs1HFJEO/bmQpjmjVeYWLKvC5NBk/JCC8tZsk8bes6CIjGLooQJyU43smnqkpH97ri/hVagCN9QI4pSILJUpeS1R7r21LcuO/VrhiQYAB6GK',
    'pD5URCeJzeWr3OZ/tuMHXf3i44vefUYev8yUeyqyWxuTYXFsAXaoEXBs4utv4K0GEBIB+AHVcrhc/sqysmsLi4999VPXPTlNrffSuJz+uridMN',
    'm4HbaZJhXXXyd0xBZl2ZdaARJIVXq4koI=',
  ].join(''),
  'base64',
)

let root: string
let engine: Engine
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-compressed-'))
  engine = await openDuckDb({ tempFolder: root })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})

/** zstd's own program where it is installed (frames with checksums), else DuckDB's writer. */
async function zstd(format: keyof typeof texts): Promise<Buffer> {
  try {
    return execFileSync('zstd', ['-q', '-c'], {
      input: texts[format],
      maxBuffer: 2 ** 26,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
  } catch {
    const path = join(root, `own.${format}.zst`)
    const connection = await (await DuckDBInstance.create()).connect()
    await writeFile(join(root, 'plain.txt'), texts[format])
    await connection.run(
      `COPY (SELECT * FROM read_csv('${join(root, 'plain.txt')}', header = false, auto_detect = false, delim = '\\x01',
       quote = '', columns = {'line': 'VARCHAR'})) TO '${path}' (FORMAT csv, HEADER false, QUOTE '', DELIMITER '\\x01', COMPRESSION zstd)`,
    )
    const { readFile } = await import('node:fs/promises')
    return readFile(path)
  }
}
const packed = async (format: keyof typeof texts, packing: string): Promise<Buffer> =>
  packing === 'gz' ? gzipSync(texts[format]) : zstd(format)

async function read(name: string) {
  const { source, schema } = await engine.inferSchema(await expandSource(join(root, name)))
  const found = await engine.rows(scan(source, schema))
  return { rows: found.length, last: Object.values(found.at(-1) ?? {}) }
}

describe.each(['gz', 'zst'])('.%s', (packing) => {
  test.each(['csv', 'tsv', 'jsonl'] as const)('%s is the same table, also with a name in capitals', async (format) => {
    const bytes = await packed(format, packing)
    for (const name of [`t.${format}.${packing}`, `T.${format.toUpperCase()}.${packing.toUpperCase()}`]) {
      await writeFile(join(root, name), bytes)
      expect(await read(name)).toEqual(EXPECTED)
    }
  })

  test('several pieces one after the other are one file, and plain and packed files one source', async () => {
    const [head = '', ...lines] = texts.jsonl.split(/(?<=\n)/)
    expect(head).toContain('"a":0')
    const bytes = await packed('jsonl', packing)
    await writeFile(join(root, `twice.jsonl.${packing}`), Buffer.concat([bytes, bytes]))
    expect((await read(`twice.jsonl.${packing}`)).rows).toBe(60_000)
    await writeFile(join(root, `mixed-1-${packing}.jsonl`), head)
    await writeFile(join(root, `mixed-2-${packing}.jsonl.${packing}`), bytes)
    await writeFile(join(root, `mixed-3-${packing}.jsonl`), lines.slice(0, 2).join(''))
    expect((await read(`mixed-*-${packing}.jsonl*`)).rows).toBe(30_003)
  })

  test.each([
    ['one byte short', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['torn in the middle', (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
    ['of a few bytes', (bytes: Buffer) => bytes.subarray(0, 5)],
    ['of no bytes', () => Buffer.alloc(0)],
    ['followed by something else', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('something else')])],
    ['of text', () => Buffer.from(texts.csv)],
  ])('a file %s is refused, by name', async (_, harm) => {
    for (const format of ['csv', 'jsonl'] as const) {
      const name = `torn.${format}.${packing}`
      await writeFile(join(root, name), harm(await packed(format, packing)))
      await expect(read(name)).rejects.toMatchObject({
        code: 'MR_SOURCE_CORRUPT',
        message: expect.stringContaining(`${name} is not a whole`) as string,
      })
    }
  })

  test('a damaged byte is found by the checksum', async () => {
    const fine = packing === 'zst' ? CHECKED : await packed('jsonl', packing)
    const bytes = Buffer.from(fine)
    const at = Math.floor(bytes.length * 0.7)
    bytes.writeUInt8((bytes[at] ?? 0) ^ 0x55, at)
    await writeFile(join(root, `fine.jsonl.${packing}`), fine)
    await writeFile(join(root, `flip.jsonl.${packing}`), bytes)
    await expect(read(`f{ine,lip}.jsonl.${packing}`)).rejects.toMatchObject({
      code: 'MR_SOURCE_CORRUPT',
      message: expect.stringContaining(`flip.jsonl.${packing}`) as string,
    })
  })
})

test('only the start of a file is read for its head', async () => {
  await writeFile(join(root, 'start.csv'), texts.csv)
  expect((await readStart(join(root, 'start.csv'), 100)).toString()).toBe(texts.csv.slice(0, 100))
})

test('a check of a whole file ends when it is told to', async () => {
  await writeFile(join(root, 'slow.csv.gz'), gzipSync(texts.csv))
  await expect(requireWhole(join(root, 'slow.csv.gz'), AbortSignal.abort())).rejects.toMatchObject({
    code: 'MR_CANCELLED',
  })
})
