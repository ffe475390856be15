/** Chapter program 7: the whole way, from a raw file to a model that answers. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EndToEndMLPipeline, loadConfig, openArtifactStore, openPredictor } from 'millrace'

const folder = await mkdtemp(join(tmpdir(), 'millrace-chapter-'))
const file = fileURLToPath(new URL('../churn/pipeline.yaml', import.meta.url))
const loaded = loadConfig(file, { set: [`data.output_path=${join(folder, 'features')}`] })
const home = join(folder, 'home')

const pipeline = new EndToEndMLPipeline(loaded, { home })
const { state, registration } = await pipeline.run()
if (registration === undefined) throw new Error(`the run ended as ${state.status}`)
console.log(`${state.status}; ${registration.gate?.reasons.join('; ')}`)

// the registered file is the whole model: raw columns in, probabilities out
const store = await openArtifactStore(join(home, 'artifacts'))
const predictor = await openPredictor(await store.get(registration.model))
const { inputs, threshold } = predictor.metadata
const columns = inputs.map(({ type }) => (type === 'text' ? ['Month-to-month'] : new Float64Array([12])))
const { labels, probabilities } = await predictor.predict({ schema: inputs, rows: 1, columns })
console.log(`threshold ${threshold?.toFixed(3)}: ${labels?.[0]} with ${probabilities?.at(-1)?.toFixed(3)}`)

await predictor[Symbol.asyncDispose]()
await store.close()
await rm(folder, { recursive: true, force: true })
