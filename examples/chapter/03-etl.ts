/** Chapter program 3: extract, validate, transform and load, on the telco customers. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DistributedETLPipeline, loadConfig } from 'millrace'

const folder = await mkdtemp(join(tmpdir(), 'millrace-chapter-'))
const file = fileURLToPath(new URL('../churn/pipeline.yaml', import.meta.url))
const loaded = loadConfig(file, { set: [`data.output_path=${join(folder, 'features')}`] })
const pipeline = new DistributedETLPipeline(loaded, {
  home: join(folder, 'home'),
  onEvent(event) {
    if (event.type === 'stage-succeeded') console.log(`${event.stage}: ${event.seconds.toFixed(2)} s`)
    if (event.type === 'stage-log') console.log(`${event.stage}: ${event.message}`)
  },
})
const { state } = await pipeline.run()
const manifest = JSON.parse(await readFile(join(folder, 'features', 'manifest.json'), 'utf8')) as {
  readonly rows: number
  readonly files: readonly { readonly path: string; readonly rows: number }[]
}
console.log(`${state.status}: ${manifest.rows} rows of features in ${manifest.files.length} files`)
for (const { path, rows } of manifest.files) console.log(`  ${path}: ${rows} rows`)
await rm(folder, { recursive: true, force: true })
