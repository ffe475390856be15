/**
 * What a run costs after one file in a hundred was added to a partitioned source: extract, validate, features and transform
 * in a home that knows the others, against the same in a new home, in turns (A-B-B-A). First every artifact must be equal.
 * Three plans: one that stays as it is (constants and fixed ranges), means, which merge but move, and the default
 * (medians). `npm run bench -- incremental [rows] [files] [rounds]`; writes bench/results/incremental.json.
 */
import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '../src/config/load.js'
import { openDuckDb } from '../src/etl/duckdb/engine.js'
import { call, cast, col, type Expr, int, type Named, num, text, when } from '../src/etl/expr.js'
import { filter, project, scan } from '../src/etl/relation.js'
import { runPipeline, versions } from '../src/stages/run-pipeline.js'
import { times, writeReport, type GoalRow } from './report.js'

const STAGES = ['extract', 'validate', 'features', 'transform'] as const
const NUMBERS = 13
const TEXTS = 4

const GOAL = 0.03

const PLANS: Readonly<Record<string, string>> = {
  'constants, fixed ranges': `
    ${numbers(() => '[{impute: {value: 0}}, {clip: [-3, 3]}]')}
    ${texts((i) => `[{index: {max_categories: ${3 + i}}}]`)}`,
  'mean, standard': `
    ${numbers(() => '[{impute: {strategy: mean}}, {standard: {}}]')}`,
  'the default: median, standard': '',
}

function numbers(steps: (i: number) => string): string {
  return Array.from({ length: NUMBERS }, (_, i) => `n${i}: ${steps(i)}`).join('\n    ')
}
function texts(steps: (i: number) => string): string {
  return Array.from({ length: TEXTS }, (_, i) => `t${i}: ${steps(i)}`).join('\n    ')
}

interface Cost {
  readonly wall_s: number
  readonly cpu_s: number
  readonly stages: Readonly<Record<string, number>>
}
interface Measured extends Cost {
  readonly digests: Readonly<Record<string, string>>
  readonly log: readonly string[]
}

/** One run in this process: what it cost and what it left. */
async function measure(file: string, home: string): Promise<Measured> {
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  const log: string[] = []
  const { state } = await runPipeline(loadConfig(file), {
    home,
    stages: STAGES,
    onEvent: (event) => {
      if (event.type === 'stage-log') log.push(`${event.stage}: ${event.message}`)
    },
  })
  const { user, system } = process.cpuUsage(cpu)
  if (state.status !== 'success') throw new Error(JSON.stringify(state.stages.map(({ error }) => error)))
  const outputs = state.stages.flatMap(({ name, value = {} }) =>
    Object.entries(value).map(([output, { digest }]) => [`${name}.${output}`, digest]),
  )
  return {
    wall_s: (performance.now() - start) / 1000,
    cpu_s: (user + system) / 1e6,
    stages: Object.fromEntries(state.stages.map(({ name, seconds }) => [name, seconds ?? 0])),
    digests: Object.fromEntries(outputs) as Record<string, string>,
    log,
  }
}

/** The same in a process of its own, so that nothing is warm but the disk. */
function measureApart(file: string, home: string): Measured {
  const args = ['--import', 'tsx', fileURLToPath(import.meta.url), '--measure', file, home]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (status !== 0) throw new Error(stderr.slice(0, 1000))
  return JSON.parse(stdout) as Measured
}

const mixed = (i: number): Expr => call('int_mod', call('mul', col('id'), int(7919 + 2 * i)), int(100_003 - i))

/** CSV files, made of arithmetic on the rows' numbers alone. */
async function writeFiles(folder: string, rows: number, files: number): Promise<void> {
  await using engine = await openDuckDb()
  const each = Math.ceil(rows / files)
  await mkdir(join(folder, 'data'))
  const ids = join(folder, 'ids.csv')
  await writeFile(ids, `id\n${Array.from({ length: each }, (_, i) => i).join('\n')}\n`)
  const seed = scan({ format: 'csv', paths: [ids], csv: { columns: ['id'] } }, [{ name: 'id', type: 'integer' }])
  for (let file = 0; file < files; file++) {
    const numbered = project(seed, [{ name: 'id', expr: call('add', col('id'), int(file * each)) }])
    const made = project(numbered, [
      { name: 'id', expr: col('id') },
      ...Array.from({ length: NUMBERS }, (_, i): Named => {
        const value = call('div', cast(call('sub', mixed(i), int(50_000)), 'number'), num(20_000 + 97 * i))
        const isMissing = call('eq', call('int_mod', mixed(i), int(20 + i)), int(0))
        return { name: `n${i}`, expr: when(isMissing, { op: 'literal', value: null, type: 'number' }, value) }
      }),
      ...Array.from({ length: TEXTS }, (_, i): Named => {
        // the first value is twice as frequent as the second, and so on: no rank moves with a file
        const rank = call('floor', call('ln', call('add', cast(mixed(20 + i), 'number'), num(1))))
        return { name: `t${i}`, expr: call('concat', text('c'), cast(rank, 'text')) }
      }),
      { name: 'bought', expr: when(call('lt', mixed(7), int(30_000)), text('yes'), text('no')) },
    ])
    const kept = filter(made, call('ge', col('id'), int(0)))
    const target = join(folder, 'csv')
    await engine.write(kept, { folder: target, format: 'csv' })
    await rename(join(target, 'part-0.csv'), join(folder, 'data', `part-${String(file).padStart(4, '0')}.csv`))
    await rm(target, { recursive: true })
  }
  await rm(ids)
}

const rounded = (value: number): number => Number(value.toFixed(3))

function costOf({ wall_s, cpu_s, stages }: Measured): Cost {
  const each = Object.entries(stages).map(([name, seconds]) => [name, rounded(seconds)])
  return {
    wall_s: rounded(wall_s),
    cpu_s: rounded(cpu_s),
    stages: Object.fromEntries(each) as Record<string, number>,
  }
}

/** Samples of one plan: `known` is a home that has seen all files but `last`, which is put back before the first run. */
async function samplesOf(folder: string, file: string, last: string, rounds: number) {
  const [known, home] = [join(folder, 'known'), join(folder, 'home')]
  const aside = join(folder, 'aside.csv')
  await rename(last, aside)
  measureApart(file, known)
  await rename(aside, last)
  const samples: { full: Measured[]; incremental: Measured[] } = { full: [], incremental: [] }
  for (let round = 0; round < rounds; round++)
    for (const side of ['full', 'incremental', 'incremental', 'full'] as const) {
      if (side === 'incremental') await cp(known, home, { recursive: true, preserveTimestamps: true })
      samples[side].push(measureApart(file, home))
      await rm(home, { recursive: true })
    }
  await rm(known, { recursive: true })
  return samples
}

async function main(rows: number, files: number, rounds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const goals: GoalRow[] = []
  const results: unknown[] = []
  try {
    await writeFiles(folder, rows, files)
    const last = join(folder, 'data', `part-${String(files - 1).padStart(4, '0')}.csv`)
    for (const [plan, columns] of Object.entries(PLANS)) {
      const file = join(folder, 'pipeline.yaml')
      await writeFile(
        file,
        `pipeline_name: incremental
version: "1"
label: bought
entity: id
data: {source_path: data, output_path: out, validation_rules: {value_ranges: {n0: [-2.4, 2.4]}, non_null_columns: [t0], min_records: 1}}
training: {model_type: logistic_regression}
features:
  max_categories: 20
  columns:${columns === '' ? ' {}' : columns}
`,
      )
      const { full, incremental } = await samplesOf(folder, file, last, rounds)
      const digests = new Set([...full, ...incremental].map((run) => JSON.stringify(run.digests)))
      if (digests.size !== 1) throw new Error(`${plan}: other artifacts than a full run's`)
      const log = incremental[0]?.log ?? []
      const cpu = (runs: readonly Measured[]): number[] => runs.map(({ cpu_s }) => cpu_s)
      goals.push({
        ...{ area: 'incremental', what: `1 % added, plan of ${plan}: share of the full run's CPU`, goal: GOAL },
        ...{ unit: 'times', better: 'less', measured: times(cpu(full), cpu(incremental)), peer: 'own full run' },
        note: log.filter((line) => /all|again|anew/.test(line)).join('; ') || 'only the added file is read',
      })
      results.push({ plan, full: full.map(costOf), incremental: incremental.map(costOf), log })
      process.stderr.write(`${JSON.stringify(results.at(-1), null, 1)}\n`)
    }
    const columns = 2 + NUMBERS + TEXTS
    writeReport('incremental', goals, { rows, columns, files, format: 'csv', added: 1, versions: versions(), results })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const [first, file = '', home = ''] = process.argv.slice(2)
if (first === '--measure') process.stdout.write(JSON.stringify(await measure(file, home)))
else await main(Number(first ?? 1_000_000), Number(file || 100), Number(home || 2))
