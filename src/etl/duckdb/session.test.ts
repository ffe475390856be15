import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSession } from './session.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-session-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('spills into a folder that is not there yet, below one that is not there either', async () => {
  const session = await openSession({ threads: 2, memoryLimit: '50MB', tempFolder: join(folder, 'home', 'tmp') })
  try {
    const spilled = await session.use(async (connection) => {
      await connection.run('CREATE TABLE t AS SELECT md5(CAST(i AS VARCHAR)) AS x FROM range(1500000) AS r(i)')
      return (await connection.runAndReadAll('SELECT sum(size) FROM duckdb_temporary_files()')).getRows()
    })
    expect(Number(spilled[0]?.[0])).toBeGreaterThan(1e6)
  } finally {
    await session.close()
  }
})
