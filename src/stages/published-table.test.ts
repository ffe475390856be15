/** The table under data.output_path: what is there is never taken for nobody's. */
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openArtifactStore } from '../core/artifact-store.js'
import { clearOut, copiedFiles, readManifest } from './published-table.js'

let output: string
beforeEach(async () => {
  output = await mkdtemp(join(tmpdir(), 'millrace-published-'))
})
afterEach(() => rm(output, { recursive: true, force: true }))

test('no manifest, one that is no manifest, and one that the system does not give are told apart', async () => {
  expect(await readManifest(output)).toBeUndefined()
  await writeFile(join(output, 'manifest.json'), '{"table": 1')
  expect(await readManifest(output)).toBe('damaged')
  await rm(join(output, 'manifest.json'))
  await mkdir(join(output, 'manifest.json'))
  await expect(readManifest(output)).rejects.toMatchObject({ code: 'MR_FILE_ACCESS' })
})

test('only folders and files of a publishing run that no manifest names are cleared', async () => {
  const gone = ['data-0123456789abcdef', '.writing-data-0123456789abcdef-99', 'data-0123456789abcdef-2']
  const kept = ['data-fedcba9876543210', 'data', 'data-of-mine', 'notes.txt']
  for (const name of [...gone, ...kept]) await mkdir(join(output, name))
  const parts = [{ folder: 'data-fedcba9876543210', rows: 0, plan: '' }]
  await clearOut(output, { format: 1, table: 't', schema: [], rows: 0, partitionBy: [], keys: [], parts, files: [] })
  expect((await readdir(output)).sort()).toEqual(kept.sort())
  expect(existsSync(join(output, 'data-fedcba9876543210'))).toBe(true)
})

test('files are copied as files of their own, and each byte is looked at', async () => {
  const store = await openArtifactStore(join(output, 'store'))
  const ref = await store.put('some rows', 'text/plain')
  const copied = (inside: string) =>
    copiedFiles(store, [{ ref, rows: 2, inside }], join(output, 'fresh'), () => undefined, new AbortController().signal)
  const path = 'split=train/part-0.parquet'
  expect(await copied(path)).toEqual([{ path, rows: 2, bytes: 9, digest: ref.digest }])
  expect(await readFile(join(output, 'fresh', path), 'utf8')).toBe('some rows')
  // the store's own are read-only
  expect((await stat(join(output, 'fresh', path))).mode & 0o200).toBe(0o200)
  const artifact = await store.path(ref)
  await chmod(artifact, 0o644)
  await writeFile(artifact, 'some rowz')
  await expect(copied('again')).rejects.toMatchObject({ code: 'MR_ARTIFACT_CORRUPT' })
})
