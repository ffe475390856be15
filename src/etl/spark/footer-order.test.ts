/** Footers of real files stay what they are but for the order of encodings, which is always the same afterwards. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { orderFooter, orderLists } from './footer-order.js'

/** FileMetaData{4: [RowGroup{1: [ColumnChunk{3: ColumnMetaData{1: INT64, 2: encodings, 3: path ["x"]}}], 3: 7 rows}]}. */
const footer = (encodings: readonly number[]): Buffer =>
  Buffer.from([
    ...[0x49, 0x1c], // field 4: a list of one struct
    ...[0x19, 0x1c], // field 1: a list of one struct
    ...[0x3c, 0x15, 0x04], // field 3: a struct; its field 1: 2
    ...[0x19, (encodings.length << 4) | 5, ...encodings.map((value) => value * 2)], // field 2: zigzag
    ...[0x19, 0x18, 0x01, 0x78], // field 3: a list of one text
    ...[0, 0], // ends of metadata and column
    ...[0x26, 0x0e, 0], // field 3: 7; end of the row group
    0,
  ])

describe('footers of Parquet files', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-footer-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('have their encodings in order, whatever the order was', () => {
    const all = [
      [0, 3, 4],
      [4, 0, 3],
      [3, 4, 0],
    ].map((encodings) => orderLists(footer(encodings)).toString('hex'))
    expect(new Set(all)).toEqual(new Set([footer([0, 3, 4]).toString('hex')]))
  })

  it('of a whole file say the same of it afterwards', async () => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const path = join(folder, 'some.parquet')
    await connection.run(
      `COPY (SELECT i AS id, i / 3 AS x, 't' || i % 5 AS s, [i] AS l, i % 2 = 0 AS b FROM range(5000) AS r(i))
      TO '${path}' (ROW_GROUP_SIZE 2048, KV_METADATA {a: 'b'})`,
    )
    const said = async (): Promise<string> => {
      const lists = [`parquet_metadata('${path}')`, `parquet_kv_metadata('${path}')`, `'${path}'`]
      const found = []
      for (const from of lists)
        found.push(
          (await connection.runAndReadAll(`SELECT * FROM ${from}`)).getRowsJson().map((row) => JSON.stringify(row)),
        )
      return JSON.stringify(found).replace(/PLAIN[A-Z_, ]*/g, (words) => words.split(/, /).sort().join())
    }
    const before = await said()
    await orderFooter(path)
    expect(await said()).toBe(before)
    const once = await readFile(path)
    await orderFooter(path)
    expect((await readFile(path)).equals(once)).toBe(true)
    connection.closeSync()
  })

  it('are not made of what is no Parquet file', async () => {
    const path = join(folder, 'none.parquet')
    await writeFile(path, 'PAR1 and then nothing more')
    await expect(orderFooter(path)).rejects.toMatchObject({ code: 'MR_SOURCE_CORRUPT' })
  })
})
