/**
 * The examples from raw file to registered model, once on the engine in this process (DuckDB) and once on a Spark cluster
 * that is started for it (a master and two workers): one line of the file differs, and what both leave is compared cell
 * by cell. `npm run bench -- parity [churn] [fraud] [fraud-transactions] [PATH/transactions.parquet]`; of examples that are
 * not named, the earlier result stays. Without names: all. Writes bench/results/parity.json and docs/parity.md, and fails
 * where something differs by more than is allowed.
 */
import { existsSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../src/config/load.js'
import { runPipeline } from '../src/stages/run-pipeline.js'
import { example, ROOT } from '../test/e2e/cli.js'
import { startCluster, stopCluster } from '../test/engines/cluster.js'
import { compareRuns, type Finished } from './parity/compare.js'
import { NAMES, type ParityExample, readParity, writeParityPage } from './parity/page.js'
import { writeReport } from './report.js'

/** What Spark's server and each of its executors get. */
const MEMORY = '1g'
const WORKERS = 2

const given = process.argv.slice(2)
const path = given.find((argument) => !NAMES.some((name) => name === argument))
const transactions = path ?? join(ROOT, '../shared/data/fraud_handbook_simulated/transactions.parquet')
const wanted = NAMES.filter((name) => given.includes(name))

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())

async function run(file: string, folder: string, set: readonly string[]): Promise<Finished> {
  const [home, output] = [join(folder, '.millrace'), join(folder, 'output')]
  const loaded = loadConfig(file, { set: [`data.output_path=${output}`, ...set] })
  const began = performance.now()
  const { state } = await runPipeline(loaded, { home, signal: stop.signal, onNote: (note) => console.error(note) })
  const seconds = (performance.now() - began) / 1000
  const failed = state.stages.flatMap(({ name, error }) => (error === undefined ? [] : [`${name}: ${error.message}`]))
  if (state.status !== 'success') throw new Error(`${state.name}: ${state.status}; ${failed.join('; ')}`)
  return { home, output, state, seconds }
}

const onlyDifference = (remote: string): readonly string[] => ['data.engine=spark', `data.spark.remote=${remote}`]

async function compareEngines(name: string, set: readonly string[], remote: string): Promise<ParityExample> {
  await using copy = await example(name)
  const duckdb = await run(copy.file, join(copy.path, 'on-duckdb'), set)
  console.error(`${name}: ${duckdb.seconds.toFixed(1)} s on DuckDB`)
  const spark = await run(copy.file, join(copy.path, 'on-spark'), [...set, ...onlyDifference(remote)])
  console.error(`${name}: ${spark.seconds.toFixed(1)} s on Spark`)
  return { name, load: loadavg()[0] ?? NaN, ...(await compareRuns(duckdb, spark)) }
}

const examples: ParityExample[] = []
const skipped: Record<string, string> = {}
const before = readParity()
const cluster = await startCluster(WORKERS, { executorMemory: MEMORY, confs: [] })
try {
  for (const name of wanted.length > 0 ? wanted : NAMES) {
    const isBrought = name === 'fraud-transactions'
    if (isBrought && !existsSync(transactions)) {
      skipped[name] = 'its table is not bundled and was not given: npm run bench -- parity PATH/transactions.parquet'
      continue
    }
    const set = isBrought ? [`data.source_path=${transactions}`] : []
    examples.push(await compareEngines(name, set, cluster.address))
  }
} finally {
  await stopCluster(cluster)
}
writeReport('parity', [], {
  cluster: { workers: WORKERS, coresEach: 1, serverMemory: MEMORY, executorMemory: MEMORY },
  examples: NAMES.flatMap((name) => {
    const found = [...examples, ...(before?.examples ?? [])].find((one) => one.name === name)
    return found === undefined || name in skipped ? [] : [found]
  }),
  skipped,
})
writeParityPage()
const beyond = examples.flatMap(({ name, compared }) =>
  compared.filter((one) => one.beyond > 0).map(({ what, faults }) => `${name}, ${what}: ${faults.join('; ')}`),
)
for (const fault of beyond) console.error(fault)
if (beyond.length > 0) process.exitCode = 1
