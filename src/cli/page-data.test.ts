import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from '../config/load.js'
import { openArtifactStore } from '../core/artifact-store.js'
import { writeFileAtomic } from '../core/files.js'
import { renderRunPage } from '../dashboard/run-page.js'
import type { RunState } from '../pipeline/state.js'
import { gatherRunPage } from './page-data.js'

test('what the environment gave is not on the page', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-page-'))
  const file = join(folder, 'p.yaml')
  await writeFileAtomic(
    file,
    'pipeline_name: p\nversion: "1"\nlabel: y\ndata: {source_path: "${LAKE}/rows.csv", output_path: out}\ntraining: {model_type: neural_network}\n',
  )
  const { recorded, environment } = loadConfig(file, { env: { LAKE: '/key-8f2c' } })
  const state: RunState = {
    run: 'r',
    name: 'p',
    status: 'running',
    startedAt: 0,
    seconds: 0,
    config: recorded,
    seed: 42,
    versions: {},
    argv: ['millrace', 'run', 'p.yaml'],
    environment,
    force: false,
    stages: [],
    logs: [],
  }
  const store = await openArtifactStore(join(folder, 'artifacts'), { readOnly: true })
  const page = renderRunPage(await gatherRunPage(store, state, []))
  await store.close()
  await rm(folder, { recursive: true })
  expect(page).toMatch(/source_path: (&quot;|')?\$\{LAKE\}\/rows\.csv/)
  expect(page).not.toContain('key-8f2c')
})
