/**
 * What the ETL benchmarks (etl.ts, etl-spark.ts) share: this checkout built, its job and those of the peers as processes,
 * what each says of its results, and rounds of A-B-B-A.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ValidationDocument } from '../../src/core/documents.js'
import { versions } from '../../src/stages/run-pipeline.js'
import type { PlanDocument } from '../../src/stages/transform.js'
import { writeTable } from '../memory/table.js'
import type { Facts, Features } from './compare.js'
import { type Form, jobFile, NUMBERS, pipelineFile, TEXTS } from './job.js'
import { type Cost, costOf, type Surroundings } from './process.js'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FILES = 4

/** As the first line of src/cli/main.ts starts Node. */
const AS_COMMAND = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072' }

export interface Sample extends Cost {
  /** Of the job alone, without the start of the process; of PySpark the second time, and apart from it the first. */
  readonly seconds?: number
  readonly cold?: number
  readonly start?: number
  /** CPU of these two. */
  readonly cpu_seconds?: number
  readonly cpu_cold?: number
  readonly stages?: Readonly<Record<string, number>>
}
export interface Run {
  readonly sample: Sample
  readonly facts: Facts & Features
}
/** Where a benchmark works. */
export interface Place {
  readonly folder: string
  /** Of this checkout, compiled. */
  readonly built: string
  readonly pattern: string
  readonly files: readonly string[]
  /** Seconds after which a contender hangs. */
  readonly limit_s: number
}

/** A peer's script in the Python environment that bench/peers/setup.sh made for it. */
export const python = (venv: string, script: string): readonly string[] => [
  join(ROOT, `.venv-bench-${venv}/bin/python`),
  join(ROOT, `bench/peers/${script}`),
]

/** Builds, and writes the table of `rows` rows. */
export async function prepare(folder: string, rows: number): Promise<Place> {
  const built = build()
  const { pattern } = await writeTable(join(folder, 'data'), rows, 'parquet', FILES)
  const files = Array.from({ length: FILES }, (_, i) => join(folder, 'data', `part-${i}.parquet`))
  // Spark alone takes a minute to start where other work goes on
  return { folder, built, pattern, files, limit_s: 300 + rows / 5000 }
}

/** The sources of this checkout, compiled: what is measured is no loader of TypeScript. */
function build(): string {
  const place = join(ROOT, 'node_modules/.cache/etl')
  mkdirSync(place, { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(place, 'package.json'))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  // the check of types is another command's, and a minute of two busy cores
  const args = ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(place, 'dist'), '--noCheck']
  const { status, stdout } = spawnSync(process.execPath, [tsc, ...args], { encoding: 'utf8' })
  if (status !== 0) console.error(`the build has faults, and is used as far as it goes:\n${stdout.slice(0, 1000)}`)
  return join(place, 'dist')
}

/** Millrace's job in a home of its own, on the engine that `form` says. */
export async function runMillrace(
  { folder, built, pattern, limit_s }: Place,
  form: Form = {},
  server?: Surroundings['server'],
): Promise<Run> {
  const name = form.remote === undefined ? 'millrace' : 'millrace-spark'
  const [home, out, file] = [join(folder, `${name}-home`), join(folder, name), join(folder, `${name}.yaml`)]
  for (const path of [home, out]) rmSync(path, { recursive: true, force: true })
  writeFileSync(file, pipelineFile(pattern, out, form))
  const { stdout, ...cost } = await costOf(
    process.execPath,
    [join(ROOT, 'bench/etl/millrace.mjs'), built, file, home],
    limit_s,
    { env: AS_COMMAND, ...(server === undefined ? {} : { server }) },
  )
  const said = JSON.parse(stdout) as { stages: Record<string, number>; report: string; plan: string }
  const read = <T>(digest: string): T => {
    const hex = digest.slice('sha256:'.length)
    return JSON.parse(readFileSync(join(home, 'artifacts/sha256', hex.slice(0, 2), hex), 'utf8')) as T
  }
  const report = read<ValidationDocument>(said.report)
  const quarantined = report.rules
    .filter(({ id }) => id.startsWith('non_null_columns.') || id.startsWith('value_ranges.')) // of rows, not of the table
    .map(({ id, violations }) => [id, violations] as const)
  const { columns } = read<PlanDocument>(said.plan).plan
  const fitted = (name: string, ...steps: readonly string[]): unknown =>
    columns.find((column) => column.name === name)?.steps.find((one) => steps.includes(one.transform))?.fitted[0]
  const numbers = NUMBERS.map((name) => {
    const { mean, stddev } = fitted(name, 'standard') as { mean: number; stddev: number }
    return [name, [mean, stddev]] as const
  })
  const texts = TEXTS.map(
    (name) => [name, (fitted(name, 'index', 'one_hot') as { values: readonly string[] }).values] as const,
  )
  return {
    sample: { ...cost, stages: said.stages },
    facts: {
      quarantined: Object.fromEntries(quarantined),
      numbers: Object.fromEntries(numbers),
      texts: Object.fromEntries(texts),
      profile: Object.fromEntries(report.columns.map((column) => [column.name, column])),
      features: join(out, 'data-*/split=*/*.parquet'),
    },
  }
}

/** A peer's job: `command`, then the file that says what it is to do. */
export async function runPeer(
  { folder, files, limit_s }: Place,
  name: string,
  [command = '', ...args]: readonly string[],
): Promise<Run> {
  const [out, job] = [join(folder, name), join(folder, `${name}.json`)]
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out)
  writeFileSync(job, jobFile({ files, out }))
  const { stdout: _, ...cost } = await costOf(command, [...args, job], limit_s)
  const said = JSON.parse(readFileSync(join(out, 'facts.json'), 'utf8')) as Facts & Sample
  const { seconds, cold, start, cpu_seconds, cpu_cold, ...facts } = said
  const inside = Object.entries({ seconds, cold, start, cpu_seconds, cpu_cold }).filter(
    ([, value]) => value !== undefined,
  )
  return {
    sample: { ...cost, ...Object.fromEntries(inside) },
    facts: { ...facts, features: join(out, 'features/split=*/*.parquet') },
  }
}

/** Samples of both in turns: A, B, B, A in each round. */
export async function inTurns<A, B>(
  rounds: number,
  ours: () => Promise<A>,
  theirs: () => Promise<B>,
): Promise<{ readonly ours: readonly A[]; readonly theirs: readonly B[] }> {
  const samples = { ours: [] as A[], theirs: [] as B[] }
  for (let round = 0; round < rounds; round++)
    for (const isOurs of [true, false, false, true])
      if (isOurs) samples.ours.push(await ours())
      else samples.theirs.push(await theirs())
  return samples
}

/** What bench/peers/setup.sh installed into an environment, e.g. `2.1.0`; DuckDB's is ours. */
export function versionOf(name: string): string {
  if (name.startsWith('duckdb')) return (versions()['duckdb'] ?? '').replace(/^duckdb /, '')
  const wanted = readFileSync(join(ROOT, `.venv-bench-${name === 'pyspark' ? 'spark' : 'etl'}/wanted`), 'utf8')
  return new RegExp(`\\b${name}==(\\S+)`).exec(wanted)?.[1] ?? ''
}

/**
 * What bench/results/NAME.json holds, with `found` in the place of what was measured before of the peers `again` at this
 * number of rows.
 */
export function addedUp<Measured extends { readonly peer: string; readonly rows: number }>(
  name: string,
  rows: number,
  again: { has(peer: string): boolean },
  found: readonly Measured[],
  order: readonly string[],
): readonly Measured[] {
  const path = join(ROOT, `bench/results/${name}.json`)
  const before = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as { readonly measured: readonly Measured[] }).measured
    : []
  const kept = before.filter((one) => one.rows !== rows || !again.has(one.peer))
  return [...kept, ...found].sort((a, b) => a.rows - b.rows || order.indexOf(a.peer) - order.indexOf(b.peer))
}
