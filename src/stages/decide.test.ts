/** A threshold or a calibration that was chosen on test rows is refused: planted in the model of a real run. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../config/load.js'
import { openArtifactStore } from '../core/artifact-store.js'
import type { ArtifactRef, ArtifactStore } from '../core/artifacts.js'
import { Rng } from '../core/rng.js'
import { readModelFile } from '../serving/model-file.js'
import type { ShardManifest } from '../train/shards.js'
import { calibratorDigest, checkDecision, decide } from './decide.js'
import { runPipeline } from './run-pipeline.js'
import { getJson } from './run-resources.js'
import { scorePacked } from './scoring.js'
import type { NetworkDocument } from './train.js'
import type { PlanDocument } from './transform.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-decide-'))
  const rng = new Rng(11)
  const rows = Array.from({ length: 800 }, (_, id) => {
    const x = rng.normal()
    return `${id},${x.toFixed(4)},${x + rng.normal() > 0.4 ? 'yes' : 'no'}`
  })
  await writeFile(join(folder, 'rows.csv'), `id,x,bought\n${rows.join('\n')}\n`)
  await writeFile(
    join(folder, 'pipeline.yaml'),
    `pipeline_name: decide
version: "1"
label: bought
entity: id
data: {source_path: rows.csv, output_path: out}
training: {model_type: logistic_regression, max_epochs: 10, batch_size: 64, learning_rate: 0.05}
evaluation: {bootstrap: 20, calibration: isotonic}
`,
  )
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('what validation rows give passes, what test rows give does not', async () => {
  const { config, ...loaded } = loadConfig(join(folder, 'pipeline.yaml'))
  const { state } = await runPipeline({ config, ...loaded }, { home: join(folder, 'home') })
  expect(state.status).toBe('success')
  const store = await openArtifactStore(join(folder, 'home/artifacts'), { readOnly: true })
  const ref = (stage: string, output: string): ArtifactRef => {
    const found = state.stages.find(({ name }) => name === stage)?.value?.[output]
    if (found === undefined) throw new Error(`no ${stage}.${output}`)
    return found
  }
  const read = <T>(from: ArtifactStore, stage: string, output: string) => getJson<T>(from, ref(stage, output))
  const plan = await read<PlanDocument>(store, 'transform', 'plan')
  const network = await read<NetworkDocument>(store, 'train', 'network')
  const manifest = await read<ShardManifest>(store, 'pack', 'manifest')
  const bytes = await store.get(ref('train', 'weights'))
  const weights = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
  const { signal } = new AbortController()
  const choose = (split?: 'test') =>
    decide(
      config,
      { plan, network, weights },
      (own, file) => scorePacked(store, manifest, split ?? own, network.network, file, signal),
      signal,
    )
  const { metadata } = readModelFile(await store.get(ref('evaluate', 'model')))
  const honest = await choose()
  checkDecision(metadata, honest)
  expect(metadata.calibration).toContain('isotonic')

  const leaked = await choose('test')
  const threshold = leaked.threshold?.value ?? 0
  const digests = { ...metadata.digests, ...calibratorDigest(leaked) }
  expect(threshold).not.toBe(metadata.threshold)
  expect(() => checkDecision({ ...metadata, threshold }, honest)).toThrow(/threshold is .* chosen on other rows/)
  expect(() => checkDecision({ ...metadata, digests }, honest)).toThrow(/calibration is .* chosen on other rows/)
  await store.close()
})
