/** The folder store against the conformance suite, and with writers that are killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { artifactStoreConformance } from '../../test/conformance/artifact-store.js'
import { openArtifactStore } from './artifact-store.js'
import type { ArtifactRef } from './artifacts.js'

const locate = (root: string, ref: ArtifactRef) => join(root, 'sha256', ref.digest.slice(7, 9), ref.digest.slice(7))

async function visible(root: string): Promise<string[]> {
  const folders = await readdir(join(root, 'sha256'))
  const names = await Promise.all(folders.map((folder) => readdir(join(root, 'sha256', folder))))
  return names.flat().map((name) => `sha256:${name}`)
}

artifactStoreConformance('folder', {
  open: (root) => openArtifactStore(root),
  async damage(root, ref, change) {
    const path = locate(root, ref)
    const bytes = await readFile(path)
    await chmod(path, 0o644)
    await writeFile(path, change(bytes))
  },
  visible,
})

test('a writer killed at any time leaves whole blobs or nothing, and its scratch is cleared', async () => {
  const root = await mkdtemp(join(tmpdir(), 'millrace-killed-'))
  const module = JSON.stringify(new URL('./artifact-store.ts', import.meta.url).href)
  const script = `
    const { openArtifactStore } = await import(${module})
    const store = await openArtifactStore(${JSON.stringify(root)})
    const { writeFile } = await import('node:fs/promises')
    await writeFile((await store.scratch()) + '/left', 'x')
    console.log('ready')
    for (let i = 0; ; i++) await store.put(Buffer.alloc(300_000 + i, i), 'application/x')`
  for (const wait of [0, 15, 40]) {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script])
    await once(child.stdout, 'data')
    const live = await openArtifactStore(root) // a second process's start leaves a living one's scratch alone
    expect((await readdir(join(root, 'scratch'))).length).toBeGreaterThan(0)
    await live.close()
    await new Promise((resolve) => setTimeout(resolve, wait))
    child.kill('SIGKILL')
    await once(child, 'exit')
    const store = await openArtifactStore(root)
    expect(await readdir(join(root, 'scratch'))).toEqual([])
    for (const digest of await visible(root)) {
      await store.get({ digest: digest as ArtifactRef['digest'], mediaType: 'application/x', size: 0 })
    }
    await store.close()
  }
  await rm(root, { recursive: true, force: true })
})

test('opened to read: gives what is there, and makes, moves and removes nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-read-'))
  const root = join(folder, 'artifacts')
  const options = { readOnly: true }
  const none = await openArtifactStore(root, options)
  const writer = await openArtifactStore(root)
  const ref = await writer.put('kept', 'text/plain')
  await writer.close()
  expect(await none.has(ref)).toBe(true) // made since
  const left = join(root, 'scratch', 'left-by~1~a~dead-process')
  await mkdir(left)
  const before = await readdir(root, { recursive: true })
  const store = await openArtifactStore(root, options)
  expect(Buffer.from(await store.get(ref)).toString()).toBe('kept')
  const refused = { code: 'MR_FILE_ACCESS', message: expect.stringContaining('opened to read') as string }
  await expect(store.put('x', 'text/plain')).rejects.toMatchObject(refused)
  await expect(store.putFile(await store.path(ref), 'text/plain')).rejects.toMatchObject(refused)
  await expect(store.scratch()).rejects.toMatchObject(refused)
  await chmod(locate(root, ref), 0o644)
  await writeFile(locate(root, ref), 'torn')
  await expect(store.get(ref)).rejects.toMatchObject({ code: 'MR_ARTIFACT_CORRUPT' })
  await store.close()
  expect(await readdir(root, { recursive: true })).toEqual(before)
  await none.close()
  await rm(folder, { recursive: true, force: true })
})

test('opened to read where no store is: it has nothing, and none is made', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-read-'))
  const store = await openArtifactStore(join(folder, 'artifacts'), { readOnly: true })
  const ref: ArtifactRef = { digest: `sha256:${'0'.repeat(64)}`, mediaType: 'text/plain', size: 1 }
  expect(await store.has(ref)).toBe(false)
  await expect(store.get(ref)).rejects.toMatchObject({ code: 'MR_ARTIFACT_MISSING' })
  await store.close()
  expect(await readdir(folder)).toEqual([])
  await rm(folder, { recursive: true, force: true })
})
