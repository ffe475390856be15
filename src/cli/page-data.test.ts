import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig, type LoadedConfig } from '../config/load.js'
import { openArtifactStore } from '../core/artifact-store.js'
import type { ArtifactRef, ArtifactStore } from '../core/artifacts.js'
import { writeFileAtomic } from '../core/files.js'
import { renderRunPage } from '../dashboard/run-page.js'
import type { RunStarted } from '../pipeline/events.js'
import { applyEvents } from '../pipeline/state.js'
import { putJson } from '../stages/run-resources.js'
import { gatherRunPage } from './page-data.js'

const LAKE = '/key-8f2c'
let folder: string
let store: ArtifactStore
let loaded: LoadedConfig
let source: ArtifactRef
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-page-'))
  const file = join(folder, 'p.yaml')
  await writeFileAtomic(
    file,
    'pipeline_name: p\nversion: "1"\nlabel: y\ndata: {source_path: "${LAKE}/rows.csv", output_path: out}\ntraining: {model_type: neural_network}\n',
  )
  loaded = loadConfig(file, { env: { LAKE } })
  store = await openArtifactStore(join(folder, 'artifacts'))
  const files = [{ path: `${LAKE}/rows.csv`, bytes: 1, digest: 'sha256:0' }]
  source = await putJson(store, { format: 'csv', files, rows: 1, columns: [] })
})
afterAll(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

/** The page of a run that began with `recorded`, and read `source` if it says so. */
async function page(recorded: Pick<RunStarted, 'config' | 'environment' | 'secrets'>, read = false): Promise<string> {
  const at = { run: 'r', time: 0 }
  const argv = ['millrace', 'run', 'p.yaml']
  const stages = [{ name: 'extract', version: 1, after: [] }]
  const state = applyEvents(undefined, [
    { type: 'run-started', ...at, name: 'p', seed: 42, versions: {}, argv, force: false, stages, ...recorded },
    ...(read ? [{ type: 'stage-attached', ...at, stage: 'extract', name: 'source', artifact: source } as const] : []),
  ])
  if (state === undefined) throw new Error('the run has no state')
  return renderRunPage(await gatherRunPage(store, state, []))
}

test('what the environment gave is not on the page', async () => {
  const shown = await page({ config: loaded.recorded, environment: loaded.environment })
  expect(shown).toMatch(/source_path: (&quot;|')?\$\{LAKE\}\/rows\.csv/)
  expect(shown).not.toContain('key-8f2c')
})

test('nor is it where a journal of before holds it plain', async () => {
  const { config } = loaded
  expect(await page({ config }, true)).toContain('key-8f2c')
  const shown = await page(
    {
      config,
      secrets: [
        ['data', 'source_path'],
        ['no', 'more'],
      ],
    },
    true,
  )
  expect(shown).toMatch(/source_path: (&quot;|')?\*\*\*/)
  expect(shown).not.toContain('key-8f2c')
})
