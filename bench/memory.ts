/**
 * What a run needs under a memory limit: a table of ten times the limit and more, from files to a registered model by the
 * built command line, as a process of its own; peak memory and spilled bytes of each stage. The same table without a
 * limit must give the same model. Linux only. `npm run bench -- memory [rows] [limit]`, after `npm run build`.
 */
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSize } from '../src/config/units.js'
import { versions } from '../src/stages/run-pipeline.js'
import { measure, type Measured, type Peak } from './memory/measure.js'
import { writeTable } from './memory/table.js'
import { absolute, writeReport } from './report.js'

/** The limit is of the engine alone; Node, its libraries and what is held outside the engine may take this, in bytes. */
const ALLOWED_BEYOND = 300e6

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CLI = join(ROOT, 'dist/cli/main.js')
const MB = 1e6
const megabytes = (bytes: number): number => Math.round(bytes / MB)

function pipelineOf(pattern: string, output: string, limit: string | undefined): string {
  return `pipeline_name: larger-than-memory
version: "1"
label: label
entity: id
timestamp: happened_at
data:
  source_path: ${JSON.stringify(pattern)}
  output_path: ${JSON.stringify(output)}
  threads: 2
${limit === undefined ? '' : `  memory_limit: ${limit}\n`}training: {model_type: logistic_regression, max_epochs: 1, batch_size: 4096}
`
}

async function measured(folder: string, pattern: string, limit: string | undefined): Promise<Measured> {
  const [home, output] = [join(folder, 'home'), join(folder, 'out')]
  const file = join(folder, 'pipeline.yaml')
  await writeFile(file, pipelineOf(pattern, output, limit))
  try {
    return await measure(CLI, ['run', file, '--home', home, '--json'], home)
  } finally {
    for (const path of [home, output]) await rm(path, { recursive: true, force: true })
  }
}

const told = ({ resident, spilled, seconds }: Peak) => ({
  peakMB: megabytes(resident),
  spilledMB: megabytes(spilled),
  seconds: Math.round(seconds * 10) / 10,
})

function runOf(limit: string | undefined, run: Measured) {
  const { stages, model, error, exitCode } = run
  return {
    memoryLimit: limit ?? 'none',
    ...told(run),
    ...(limit === undefined
      ? {}
      : {
          beyondLimitMB: megabytes(run.resident - parseSize(limit)),
        }),
    stages: Object.fromEntries(Object.entries(stages).map(([name, peak]) => [name, told(peak)])),
    ...(exitCode === 0 ? { model } : { exitCode, error }),
  }
}

async function main(rows: number, limit: string): Promise<void> {
  if (!existsSync(CLI)) throw new Error('there is no dist/cli/main.js: npm run build')
  await chmod(CLI, 0o755) // as npm does when it installs a package's commands: its first line counts here
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    const { bytesInMemory, pattern } = await writeTable(join(folder, 'table'), rows)
    const runs: Measured[] = []
    const limits = [limit, undefined]
    for (const each of limits) runs.push(await measured(folder, pattern, each))
    const [first, second] = runs
    const isSameModel = first?.model !== undefined && first.model === second?.model
    const beyond = first === undefined ? [] : [megabytes(first.resident - parseSize(limit))]
    const timesTheLimit = Math.round((10 * bytesInMemory) / parseSize(limit)) / 10
    const what = `memory beside data.memory_limit (${limit}), a table of ${timesTheLimit} times the limit, whole process`
    writeReport(
      'memory',
      [{ area: 'memory', what, goal: ALLOWED_BEYOND / MB, unit: 'MB', better: 'less', measured: absolute(beyond) }],
      {
        what: 'logistic regression from Parquet files to a registered model; MB are 10^6 bytes; peakMB is of the whole process',
        table: { rows, columns: 20, files: 4, inMemoryMB: megabytes(bytesInMemory) },
        timesTheLimit,
        isSameModel,
        runs: runs.map((run, i) => runOf(limits[i], run)),
        versions: versions(),
      },
    )
    if (!isSameModel) process.exitCode = 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

await main(Number(process.argv[2] ?? 8_000_000), process.argv[3] ?? '200MB')
