import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import Database from 'libsql'
import { afterAll, describe, expect, it } from 'vitest'
import { registryConformance } from '../../test/conformance/registry.js'
import { entry } from '../../test/conformance/registry-entry.js'
import { openRegistry } from './sqlite.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-registry-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const fresh = () => join(folder, `it's ${files++}.db`)

registryConformance('SQLite', () => openRegistry(fresh()))

function writer(file: string, run: string, count: number): ChildProcess & { acknowledged: number[] } {
  const script = fileURLToPath(new URL('../../test/registry/writer.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', script, file, run, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const acknowledged: number[] = []
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (text + chunk.toString()).split('\n')
    text = lines.pop()!
    acknowledged.push(...lines.map(Number))
  })
  return Object.assign(child, { acknowledged })
}

describe('several processes', () => {
  it('share one file: each version once, one unbroken history', async () => {
    const file = fresh()
    // Neither finds the file made: they also race to create it.
    const writers = [writer(file, 'a', 40), writer(file, 'b', 40)]
    const codes = await Promise.all(writers.map(async (child) => ((await once(child, 'close')) as [number])[0]))
    expect(codes).toEqual([0, 0])
    const registry = await openRegistry(file)
    const numbers = writers.flatMap((child) => child.acknowledged).sort((a, b) => a - b)
    expect(numbers).toEqual(Array.from({ length: 80 }, (_, i) => i + 1))
    const history = await registry.history('churn')
    expect(history).toHaveLength(80)
    for (let i = 1; i < 80; i++) expect(history[i]!.from).toBe(history[i - 1]!.to)
    expect(registry.revision()).toBe(160)
    await registry.close()
  })

  it('see each other by revision and resolve', async () => {
    const file = fresh()
    const [one, two] = [await openRegistry(file), await openRegistry(file)]
    await one.register(entry('churn', 'r1'))
    const before = two.revision()
    await one.setAlias('churn', 'champion', 1, '')
    expect(two.revision()).not.toBe(before)
    expect((await two.resolve('models:/churn@champion')).version).toBe(1)
    await Promise.all([one.close(), two.close()])
    await one.close()
    await expect(one.models()).rejects.toMatchObject({ code: 'MR_REGISTRY_CLOSED' })
  })

  it('leave one whole file behind, so that a copy of it is a backup', async () => {
    const file = fresh()
    const registry = await openRegistry(file)
    await registry.register(entry('churn', 'r1'))
    await registry.close()
    const copy = fresh()
    copyFileSync(file, copy)
    const backup = await openRegistry(copy)
    expect(await backup.models()).toEqual(['churn'])
    await backup.close()
  })

  it('lose nothing acknowledged to kill -9', async () => {
    const file = fresh()
    for (const run of ['a', 'b', 'c']) {
      const child = writer(file, run, 100_000)
      const closed = once(child, 'close')
      const enough = child.acknowledged.length + 5
      while (child.acknowledged.length < enough) await once(child.stdout!, 'data')
      child.kill('SIGKILL')
      await closed
      const registry = await openRegistry(file)
      const versions = (await registry.versions('churn')).map((version) => version.version)
      for (const version of child.acknowledged) expect(versions).toContain(version)
      expect(versions).toEqual(versions.map((_, i) => i + 1))
      expect(versions.length - child.acknowledged.at(-1)!).toBeLessThanOrEqual(1)
      await registry.close()
    }
  })

  it('say who is in the way when one holds the file', async () => {
    const file = fresh()
    const registry = await openRegistry(file, { busyTimeout: 100 })
    const other = new Database(file)
    other.exec('BEGIN IMMEDIATE')
    await expect(registry.register(entry('churn', 'r'))).rejects.toMatchObject({
      code: 'MR_REGISTRY_BUSY',
      retryable: true,
    })
    expect(await registry.models()).toEqual([])
    other.exec('ROLLBACK')
    other.close()
    expect((await registry.register(entry('churn', 'r'))).version).toBe(1)
    await registry.close()
  })
})

describe('a folder that may not be written', () => {
  const script = fileURLToPath(new URL('../../test/registry/reader.ts', import.meta.url))
  // root may write everywhere
  const stranger = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

  /** Gives what a process without the right to write sees at first, after `change`, and when it writes itself. */
  async function seen(file: string, change: () => Promise<void>): Promise<unknown[]> {
    const [home, temp] = [dirname(file), mkdtempSync(join(folder, 'temp-'))]
    for (const path of [folder, temp]) chmodSync(path, 0o777)
    const lock = (): void => {
      for (const name of readdirSync(home)) chmodSync(join(home, name), 0o444)
      chmodSync(home, 0o555)
    }
    lock()
    const child = spawn(process.execPath, ['--import', 'tsx', script, file], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: temp },
      ...stranger,
    })
    const closed = once(child, 'close')
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const next = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value))
    child.stdin.write('\n')
    const before = await next()
    chmodSync(home, 0o755)
    for (const name of readdirSync(home)) chmodSync(join(home, name), 0o644)
    await change()
    lock()
    child.stdin.write('\n')
    const after = await next()
    child.stdin.end()
    const refusal = await next()
    expect((await closed)[0]).toBe(0)
    chmodSync(home, 0o755)
    expect(readdirSync(temp).filter((name) => name.startsWith('millrace-'))).toEqual([])
    return [before, after, refusal]
  }

  async function written(file: string): Promise<void> {
    const registry = await openRegistry(file)
    const { version } = await registry.register(entry('churn', `run-${Math.random()}`))
    await registry.setAlias('churn', 'champion', version, '')
    await registry.close()
  }
  const refused = { change: 'MR_FILE_ACCESS', writer: 'MR_FILE_ACCESS' }

  it('is read, sees what others write, and refuses a change in words', async () => {
    const file = join(mkdtempSync(join(folder, 'home #1 %3F-')), 'registry.db')
    await written(file)
    expect(await seen(file, () => written(file))).toEqual([
      { versions: 1, champion: 1, revision: 2 },
      { versions: 2, champion: 2, revision: 4 },
      refused,
    ])
  })

  it('is read with what a killed writer left in the log alone', async () => {
    const file = join(mkdtempSync(join(folder, 'home-')), 'registry.db')
    await written(file)
    const child = writer(file, 'killed', 100_000)
    const closed = once(child, 'close')
    while (child.acknowledged.length < 3) await once(child.stdout!, 'data')
    child.kill('SIGKILL')
    await closed
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(0)
    rmSync(`${file}-shm`)
    const [before, after, refusal] = (await seen(file, () => written(file))) as { champion: number }[]
    expect(before!.champion).toBeGreaterThanOrEqual(child.acknowledged.at(-1)!)
    expect(after!.champion).toBeGreaterThan(before!.champion)
    expect(refusal).toEqual(refused)
  })
})

describe('a file that cannot be used', () => {
  async function filled(): Promise<string> {
    const file = fresh()
    const registry = await openRegistry(file)
    for (let i = 0; i < 60; i++) await registry.register(entry('churn', `run-${i}`))
    await registry.close()
    return file
  }
  const refusal = (file: string) =>
    openRegistry(file).then(
      () => 'opened',
      (error: { code: string; hint?: string }) => error.code,
    )

  it('is named with the next step: not a database, torn, overwritten, of something else', async () => {
    const good = await filled()
    const text = fresh()
    writeFileSync(text, 'name,version\n'.repeat(1000))
    expect(await refusal(text)).toBe('MR_REGISTRY_CORRUPT')
    await expect(openRegistry(text)).rejects.toMatchObject({ hint: expect.stringContaining('mv ') as string })
    expect(readFileSync(text, 'utf8')).toBe('name,version\n'.repeat(1000))

    const torn = fresh()
    copyFileSync(good, torn)
    truncateSync(torn, 9000)
    expect(await refusal(torn)).toBe('MR_REGISTRY_CORRUPT')

    const overwritten = fresh()
    const bytes = readFileSync(good)
    bytes.fill(0x5a, 4096, 12_288)
    writeFileSync(overwritten, bytes)
    expect(await refusal(overwritten)).toBe('MR_REGISTRY_CORRUPT')

    const foreign = fresh()
    const database = new Database(foreign)
    database.exec('CREATE TABLE users (name TEXT)')
    database.close()
    expect(await refusal(foreign)).toBe('MR_REGISTRY_CORRUPT')
  })

  it('of a newer Millrace is left alone', async () => {
    const file = await filled()
    const database = new Database(file)
    database.exec('PRAGMA user_version = 99')
    database.close()
    await expect(openRegistry(file)).rejects.toMatchObject({
      code: 'MR_REGISTRY_NEWER',
      message: expect.stringContaining('99') as string,
    })
  })

  it('in no folder, or a folder in its place', async () => {
    expect(await refusal(join(folder, 'no', 'such', 'registry.db'))).toBe('MR_FILE_ACCESS')
    expect(await refusal(folder)).toBe('MR_FILE_ACCESS')
  })

  it.skipIf(process.getuid?.() === 0)('without the right to write', async () => {
    const file = await filled()
    chmodSync(file, 0o400)
    expect(await refusal(file)).toBe('MR_FILE_ACCESS')
  })

  it('is made from an empty one', async () => {
    const file = fresh()
    writeFileSync(file, '')
    const registry = await openRegistry(file)
    expect(await registry.models()).toEqual([])
    await registry.close()
  })

  it('is full: a clear error, and nothing half written', async () => {
    const file = await filled()
    const registry = await openRegistry(file)
    const { database } = registry as unknown as { database: { connection: Database.Database } }
    const pages = (database.connection.prepare('PRAGMA page_count').all()[0] as { page_count: number }).page_count
    database.connection.exec(`PRAGMA max_page_count = ${pages}`)
    const tags = { note: 'x'.repeat(100_000) }
    await expect(registry.register({ ...entry('churn', 'big'), tags })).rejects.toMatchObject({ code: 'MR_DISK_FULL' })
    expect(await registry.versions('churn')).toHaveLength(60)
    expect(registry.revision()).toBe(60)
    await registry.close()
  })
})
