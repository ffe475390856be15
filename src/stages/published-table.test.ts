/** The table under data.output_path: what is there is never taken for nobody's. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { clearOut, readManifest } from './published-table.js'

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
