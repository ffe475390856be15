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

const WINDOW = `SELECT sum(n) FROM (SELECT row_number() OVER (ORDER BY md5(CAST(i AS VARCHAR))) AS n FROM range(1500000) AS r(i))`

test('a limit that nothing fits in is named, and what would do', async () => {
  const session = await openSession({ threads: 4, memoryLimit: '2MB', tempFolder: folder })
  try {
    await expect(session.use((connection) => connection.run(WINDOW))).rejects.toMatchObject({
      code: 'MR_ENGINE_MEMORY',
      message: expect.stringMatching(/^the engine's memory of 1\.9 MiB is too small/) as string,
      hint: expect.stringContaining('raise data.memory_limit') as string,
    })
  } finally {
    await session.close()
  }
})

test('a full disk is told as one', async () => {
  const session = await openSession({ threads: 2, memoryLimit: '50MB', tempFolder: folder })
  try {
    await session.use((connection) => connection.run(`SET GLOBAL max_temp_directory_size = '5MB'`))
    await expect(session.use((connection) => connection.run(WINDOW))).rejects.toMatchObject({ code: 'MR_DISK_FULL' })
  } finally {
    await session.close()
  }
})
