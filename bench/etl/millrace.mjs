/**
 * Millrace's side of the ETL benchmark as a process: the pipeline up to its published table, without training.
 * `node millrace.mjs BUILT_FOLDER PIPELINE HOME` prints seconds of each stage and the artifacts that the comparison reads.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [built, file, home] = process.argv.slice(2)
const load = (path) => import(pathToFileURL(join(built, path)).href)
const { loadConfig } = await load('config/load.js')
const { runPipeline } = await load('stages/run-pipeline.js')
const { state } = await runPipeline(loadConfig(file), {
  home,
  stages: ['extract', 'validate', 'features', 'transform', 'publish'],
})
if (state.status !== 'success') throw new Error(JSON.stringify(state.stages.map(({ error }) => error)))
const stages = Object.fromEntries(state.stages.map(({ name, seconds = 0 }) => [name, seconds]))
const outputs = Object.fromEntries(state.stages.map(({ name, value = {} }) => [name, value]))
process.stdout.write(
  `${JSON.stringify({ stages, report: outputs.validate.report.digest, plan: outputs.transform.plan.digest })}\n`,
)
