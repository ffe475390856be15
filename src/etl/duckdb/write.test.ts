/** Quick tables: what is written with less effort has the same rows in the same row groups, so statistics keep their bits. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, it } from 'vitest'
import { call, col, num } from '../expr.js'
import { filter, scan } from '../relation.js'
import { openDuckDb } from './engine.js'

it('a quick table has the rows and row groups of any other, and none of its long dictionaries', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-write-'))
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const engine = await openDuckDb({ threads: 2 })
  const rows = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson()
  try {
    const source = join(folder, 'source.parquet')
    await connection.run(
      `COPY (SELECT (i * 7919 % 8009) / 97.0::DOUBLE AS n, 'c' || (i % 50) AS t FROM range(300000) AS r(i)) TO '${source}'`,
    )
    const table = scan({ format: 'parquet', paths: [source] }, [
      { name: 'n', type: 'number' },
      { name: 't', type: 'text' },
    ])
    const some = filter(table, call('gt', col('n'), num(10)))
    for (const [name, quick] of [
      ['quick', true],
      ['slow', false],
    ] as const)
      await engine.write(some, { folder: join(folder, name), format: 'parquet', compression: 'zstd', quick })
    const file = (name: string): string => `'${join(folder, name, 'part-0.parquet')}'`
    const groups = (name: string) =>
      rows(`SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata(${file(name)}) ORDER BY ALL`)
    expect(await groups('quick')).toEqual(await groups('slow'))
    expect(await groups('quick')).toHaveLength(3)
    const inOrder = (name: string): string => `SELECT *, file_row_number FROM read_parquet(${file(name)})`
    expect(await rows(`(${inOrder('quick')}) EXCEPT (${inOrder('slow')})`)).toEqual([])
    const [counts] = await rows(
      `SELECT (SELECT count(*) FROM ${file('quick')}), (SELECT count(*) FROM ${file('slow')})`,
    )
    expect(counts?.[0]).toBe(counts?.[1])
    const withDictionary = (name: string) =>
      rows(
        `SELECT path_in_schema FROM parquet_metadata(${file(name)}) WHERE encodings LIKE '%DICTIONARY%' GROUP BY 1 ORDER BY 1`,
      )
    expect(await withDictionary('slow')).toEqual([['n'], ['t']])
    expect(await withDictionary('quick')).toEqual([['t']])
  } finally {
    await engine[Symbol.asyncDispose]()
    connection.closeSync()
    instance.closeSync()
    await rm(folder, { recursive: true, force: true })
  }
})
