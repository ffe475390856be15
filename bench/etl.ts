/**
 * The ETL part of a pipeline beside DuckDB typed by hand (the tax), PySpark, pandas and Polars: the same job
 * (bench/etl/job.ts), results compared row by row first, then processes in A-B-B-A rounds.
 * `bash bench/peers/setup.sh etl spark`, then `npm run bench -- etl [rows] [rounds] [peer,peer…]`; Linux only. Every sample
 * goes to bench/results/etl.json, of 10 million rows to etl-10m.json.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ValidationDocument } from '../src/core/documents.js'
import { versions } from '../src/stages/run-pipeline.js'
import type { PlanDocument } from '../src/stages/transform.js'
import { compare, type Facts } from './etl/compare.js'
import { jobFile, NUMBERS, pipelineFile, TEXTS } from './etl/job.js'
import { type Cost, costOf } from './etl/process.js'
import { writeTable } from './memory/table.js'
import { type RatioInterval, ratioInterval } from './statistics.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FILES = 4
const python = (venv: string, script: string) => [
  join(ROOT, `.venv-bench-${venv}/bin/python`),
  join(ROOT, `bench/peers/${script}`),
]
const PEERS: Readonly<Record<string, readonly string[]>> = {
  duckdb: [process.execPath, join(ROOT, 'bench/etl/duckdb.mjs')],
  polars: python('etl', 'etl_polars.py'),
  pandas: python('etl', 'etl_pandas.py'),
  pyspark: python('spark', 'etl_spark.py'),
}

interface Sample extends Cost {
  /** Of the job alone, without the start of the process; of PySpark the second time, and apart from it the first. */
  readonly seconds?: number
  readonly cold?: number
  readonly start?: number
  readonly stages?: Readonly<Record<string, number>>
}
interface Run {
  readonly sample: Sample
  readonly facts: Facts & { readonly features: string }
}

const [rows, rounds, wanted] = [Number(process.argv[2] ?? 1e6), Number(process.argv[3] ?? 3), process.argv[4]]
const limit_s = 60 + rows / 10_000
const folder = mkdtempSync(join(tmpdir(), 'millrace-etl-'))

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

async function runMillrace(built: string, pattern: string): Promise<Run> {
  const [home, out, file] = [join(folder, 'home'), join(folder, 'millrace'), join(folder, 'pipeline.yaml')]
  for (const path of [home, out]) rmSync(path, { recursive: true, force: true })
  writeFileSync(file, pipelineFile(pattern, out))
  const { stdout, ...cost } = await costOf(
    process.execPath,
    [join(ROOT, 'bench/etl/millrace.mjs'), built, file, home],
    limit_s,
  )
  const said = JSON.parse(stdout) as { stages: Record<string, number>; report: string; plan: string }
  const read = <T>(digest: string): T => {
    const hex = digest.slice('sha256:'.length)
    return JSON.parse(readFileSync(join(home, 'artifacts/sha256', hex.slice(0, 2), hex), 'utf8')) as T
  }
  const quarantined = read<ValidationDocument>(said.report)
    .rules.filter(({ id }) => id.startsWith('non_null_columns.') || id.startsWith('value_ranges.')) // of rows, not of the table
    .map(({ id, violations }) => [id, violations] as const)
  const { columns } = read<PlanDocument>(said.plan).plan
  const fitted = (name: string, step: string): unknown =>
    columns.find((column) => column.name === name)?.steps.find((one) => one.transform === step)?.fitted[0]
  const numbers = NUMBERS.map((name) => {
    const { mean, stddev } = fitted(name, 'standard') as { mean: number; stddev: number }
    return [name, [mean, stddev]] as const
  })
  const texts = TEXTS.map((name) => [name, (fitted(name, 'index') as { values: string[] }).values] as const)
  return {
    sample: { ...cost, stages: said.stages },
    facts: {
      quarantined: Object.fromEntries(quarantined),
      numbers: Object.fromEntries(numbers),
      texts: Object.fromEntries(texts),
      features: join(out, 'data-*/split=*/*.parquet'),
    },
  }
}

async function runPeer(name: string, files: readonly string[]): Promise<Run> {
  const [command = '', ...args] = PEERS[name] ?? []
  const [out, job] = [join(folder, name), join(folder, `${name}.json`)]
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out)
  writeFileSync(job, jobFile({ files, out }))
  const { wall_s, cpu_s, peak_bytes } = await costOf(command, [...args, job], limit_s)
  const { seconds, cold, start, ...facts } = JSON.parse(readFileSync(join(out, 'facts.json'), 'utf8')) as Facts & Sample
  const inside = { ...(seconds === undefined ? {} : { seconds }), ...(cold === undefined ? {} : { cold, start }) }
  return {
    sample: { wall_s, cpu_s, peak_bytes, ...inside },
    facts: { ...facts, features: join(out, 'features/split=*/*.parquet') },
  }
}

async function main(): Promise<void> {
  const begun = loadavg()[0]
  const built = build()
  const { pattern } = await writeTable(join(folder, 'data'), rows, 'parquet', FILES)
  const files = Array.from({ length: FILES }, (_, i) => join(folder, 'data', `part-${i}.parquet`))
  const absent: Record<string, string> = {}
  const peers: string[] = []
  const compared: Record<string, unknown> = {}
  const ours = await runMillrace(built, pattern) // the disk's cache is warm from here on
  for (const name of wanted?.split(',') ?? Object.keys(PEERS)) {
    if (!existsSync(PEERS[name]?.[0] ?? '')) absent[name] = 'not installed: bash bench/peers/setup.sh etl spark'
    else
      try {
        compared[name] = await compare(name, ours.facts, (await runPeer(name, files)).facts)
        peers.push(name)
      } catch (error) {
        absent[name] = String(error).slice(0, 1000) // a peer that fails or differs is not timed
      }
    console.error(name, compared[name] ?? absent[name])
  }
  const samples: Record<string, { ours: Sample[]; theirs: Sample[] }> = {}
  for (const name of peers) {
    const found: { ours: Sample[]; theirs: Sample[] } = { ours: [], theirs: [] }
    for (let round = 0; round < rounds; round++)
      for (const isOurs of [true, false, false, true])
        if (isOurs) found.ours.push((await runMillrace(built, pattern)).sample)
        else found.theirs.push((await runPeer(name, files)).sample)
    samples[name] = found
  }
  const ratios: Readonly<Record<string, Readonly<Record<string, RatioInterval>>>> = Object.fromEntries(
    Object.entries(samples).map(([name, found]): [string, Record<string, RatioInterval>] => {
      const of = (get: (sample: Sample) => number) => ratioInterval(found.ours.map(get), found.theirs.map(get))
      const each = { wall: of((s) => s.wall_s), cpu: of((s) => s.cpu_s), peak: of((s) => s.peak_bytes) }
      // a Spark process does the job twice: the whole of ours against the start and the first time, and the second alone
      if (name !== 'pyspark') return [name, each]
      const against = (get: (sample: Sample) => number) =>
        ratioInterval(
          found.ours.map((s) => s.wall_s),
          found.theirs.map(get),
        )
      return [
        name,
        {
          warm: against((s) => s.seconds ?? NaN),
          with_start: against((s) => (s.cold ?? NaN) + (s.start ?? NaN)),
          peak: each.peak,
        },
      ]
    }),
  )
  const load = { start: begun, end: loadavg()[0] } // averages of a minute; the end has the load of the job itself
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, load }
  const what =
    'validate, quarantine, split, impute, scale, encode, write; ratios are theirs / ours, with 95 % intervals'
  const result = { what, rows, columns: 20, rounds, machine, versions: versions(), compared, absent, ratios, samples }
  mkdirSync(join(ROOT, 'bench/results'), { recursive: true })
  const file = rows >= 1e7 ? 'etl-10m.json' : 'etl.json'
  writeFileSync(join(ROOT, 'bench/results', file), `${JSON.stringify(result, null, 2)}\n`)
  console.log(JSON.stringify({ rows, absent, ratios }, null, 2))
}

try {
  await main()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
