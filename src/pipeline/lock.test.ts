/** The home's lock between real processes, killed and alive. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockHolder, lockHome, waitForLock } from './lock.js'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'millrace-lock-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

async function holder(): Promise<ChildProcess> {
  const script = `
    const { lockHome } = await import(${JSON.stringify(new URL('./lock.ts', import.meta.url).href)})
    globalThis.lock = await lockHome(${JSON.stringify(home)}, 'pipeline of child', 1000)
    console.log('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return child
}

test('held by another process: refused at once, naming it; free the moment it is killed', async () => {
  const child = await holder()
  const start = performance.now()
  const refused = await lockHome(home, 'mine', 2000).catch((error: unknown) => error)
  expect(performance.now() - start).toBeLessThan(2000)
  expect(refused).toMatchObject({ code: 'MR_HOME_LOCKED' })
  expect(String(refused)).toContain(`process ${child.pid} (pipeline of child) since 1970-01-01T00:00:01.000Z`)
  expect(await lockHolder(home)).toMatchObject({ pid: child.pid, work: 'pipeline of child', since: 1000 })
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(await lockHolder(home)).toBeUndefined() // lock.json is still there, but says nothing
  const lock = await lockHome(home, 'mine', 2000)
  expect(await lockHolder(home)).toMatchObject({ pid: process.pid, work: 'mine' })
  await lock.release()
  await lock.release()
  expect(await lockHolder(home)).toBeUndefined()
})

test('within one process too, and asking does not take it', async () => {
  expect(await lockHolder(home)).toBeUndefined()
  const lock = await lockHome(home, 'first', 1)
  await Promise.all(Array.from({ length: 5 }, () => lockHolder(home)))
  await expect(lockHome(home, 'second', 2)).rejects.toThrow('(first) since')
  await lock.release()
  await (await lockHome(home, 'second', 2)).release()
})

test('waitForLock: held by another process, it waits until that process is killed, or the signal fires', async () => {
  const child = await holder()
  const file = join(home, 'lock.db')
  await expect(waitForLock(file, AbortSignal.timeout(250))).rejects.toMatchObject({ code: 'MR_CANCELLED' })
  let isHeld = false
  let told = 0
  const waiting = waitForLock(file, new AbortController().signal, () => void told++).then((release) => {
    isHeld = true
    return release
  })
  await new Promise((resolve) => setTimeout(resolve, 250))
  expect(isHeld).toBe(false)
  child.kill('SIGKILL')
  const release = await waiting
  expect(told).toBe(1)
  const again = AbortSignal.timeout(250)
  await expect(waitForLock(file, again)).rejects.toMatchObject({ code: 'MR_CANCELLED' })
  release()
  const free = await waitForLock(file, new AbortController().signal)
  free()
})

test("waitForLock: somebody's file of that name is no lock, and is left as it is", async () => {
  const file = join(home, 'taken')
  await writeFile(file, 'x'.repeat(8192))
  await expect(waitForLock(file, new AbortController().signal)).rejects.toMatchObject({ code: 'MR_FILE_ACCESS' })
  expect(await readFile(file, 'utf8')).toBe('x'.repeat(8192))
})
