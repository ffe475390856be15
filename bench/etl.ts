/**
 * The ETL part of a pipeline beside DuckDB typed by hand (the tax), PySpark, pandas and Polars: the same job
 * (bench/etl/job.ts), results compared row by row first, then processes in A-B-B-A rounds.
 * `bash bench/peers/setup.sh etl spark`, then `npm run bench -- etl [rows] [rounds] [peer,peer…]`; Linux only. Every sample
 * goes to bench/results/etl.json, where a run takes the place of what was measured before of its peers at its number of
 * rows, and nothing else: one peer and one size at a time add up to the whole table.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ValidationDocument } from '../src/core/documents.js'
import { versions } from '../src/stages/run-pipeline.js'
import type { PlanDocument } from '../src/stages/transform.js'
import { compare, type Facts } from './etl/compare.js'
import { jobFile, NUMBERS, pipelineFile, TEXTS } from './etl/job.js'
import { type Cost, costOf } from './etl/process.js'
import { writeTable } from './memory/table.js'
import { type GoalRow, times, writeReport } from './report.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FILES = 4
const python = (venv: string, script: string) => [
  join(ROOT, `.venv-bench-${venv}/bin/python`),
  join(ROOT, `bench/peers/${script}`),
]
const PEERS: Readonly<Record<string, readonly string[]>> = {
  duckdb: [process.execPath, join(ROOT, 'bench/etl/duckdb.mjs')],
  'duckdb+profile': [process.execPath, join(ROOT, 'bench/etl/duckdb.mjs'), '--profile'],
  polars: python('etl', 'etl_polars.py'),
  pandas: python('etl', 'etl_pandas.py'),
  pyspark: python('spark', 'etl_spark.py'),
}

/** As the first line of src/cli/main.ts starts Node. */
const AS_COMMAND = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072' }

interface Sample extends Cost {
  /** Of the job alone, without the start of the process; of PySpark the second time, and apart from it the first. */
  readonly seconds?: number
  readonly cold?: number
  readonly start?: number
  readonly stages?: Readonly<Record<string, number>>
}
/** What was measured beside one peer at one number of rows. */
interface Measured {
  readonly peer: string
  readonly version: string
  readonly rows: number
  readonly rounds: number
  readonly versions: Readonly<Record<string, string>>
  /** The machine's, over a minute: before, and after, which has that of the job itself. */
  readonly load: { readonly start: number | undefined; readonly end: number | undefined }
  readonly compared: Readonly<Record<string, number>>
  readonly samples: { readonly ours: readonly Sample[]; readonly theirs: readonly Sample[] }
}
interface Run {
  readonly sample: Sample
  readonly facts: Facts & { readonly features: string }
}

const [rows, rounds, wanted] = [Number(process.argv[2] ?? 1e6), Number(process.argv[3] ?? 3), process.argv[4]]
/** Spark alone takes a minute to start where other work goes on. */
const limit_s = 300 + rows / 5000
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
    AS_COMMAND,
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
      profile: Object.fromEntries(report.columns.map((column) => [column.name, column])),
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

/** The goals that a peer at these rows is measured for; none below a million, where nothing but the start is measured. */
function goalsOf({ peer, version, rows, samples }: Measured): readonly GoalRow[] {
  if (rows < 1e6) return []
  const [ours, theirs] = [samples.ours, samples.theirs]
  const at = `${rows / 1e6} M rows x 20 columns`
  const wall = ours.map(({ wall_s }) => wall_s)
  const row = { area: 'ETL speed', unit: 'times', better: 'more', peer: `${peer} ${version}` } as const
  const faster = times(
    wall,
    theirs.map(({ wall_s }) => wall_s),
  )
  switch (peer) {
    case 'duckdb':
    case 'duckdb+profile': {
      const typed =
        peer === 'duckdb' ? 'the same typed into the engine by hand' : "the same and the report's statistics by hand"
      const tax = { ...row, area: 'ETL tax', goal: 1.1, better: 'less' } as const
      const of = (get: (sample: Sample) => number) => times(theirs.map(get), ours.map(get))
      return [
        { ...tax, what: `CPU beside ${typed}, ${at}`, measured: of((s) => s.cpu_s) },
        {
          ...tax,
          what: `wall time beside ${typed}, ${at}`,
          measured: of((s) => s.wall_s),
        },
      ]
    }
    case 'pyspark': {
      const seconds = (get: (sample: Sample) => number) => times(wall, theirs.map(get))
      const goal = rows < 1e7 ? 15 : 5
      const note = 'the whole of our process each time'
      return [
        { ...row, goal, what: `as fast as its second time, ${at}`, measured: seconds((s) => s.seconds ?? NaN), note },
        {
          ...row,
          goal,
          what: `as fast as its start and first time, ${at}`,
          measured: seconds((s) => (s.start ?? NaN) + (s.cold ?? NaN)),
          note,
        },
      ]
    }
    case 'pandas':
      return [{ ...row, goal: 5, what: `as fast, ${at}`, measured: faster }]
    default: {
      const peak = times(
        ours.map(({ peak_bytes }) => peak_bytes),
        theirs.map(({ peak_bytes }) => peak_bytes),
      )
      return [
        { ...row, goal: 1, what: `as fast, ${at}`, measured: faster },
        { ...row, goal: 2, what: `its memory beside ours at the peak, ${at}`, measured: peak },
      ]
    }
  }
}

/** e.g. `2.1.0`, as bench/peers/setup.sh installed it. */
function versionOf(peer: string): string {
  if (peer.startsWith('duckdb')) return (versions()['duckdb'] ?? '').replace(/^duckdb /, '')
  const wanted = readFileSync(join(ROOT, `.venv-bench-${peer === 'pyspark' ? 'spark' : 'etl'}/wanted`), 'utf8')
  return new RegExp(`\\b${peer}==(\\S+)`).exec(wanted)?.[1] ?? ''
}

function measuredBefore(): readonly Measured[] {
  const path = join(ROOT, 'bench/results/etl.json')
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { measured: readonly Measured[] }).measured : []
}

const UNITS: readonly (readonly [string, (sample: Sample) => number])[] = [
  ['wall', (sample) => sample.wall_s],
  ['CPU', (sample) => sample.cpu_s],
  ['peak memory', (sample) => sample.peak_bytes],
]

async function main(): Promise<void> {
  const start = loadavg()[0]
  const built = build()
  const { pattern } = await writeTable(join(folder, 'data'), rows, 'parquet', FILES)
  const files = Array.from({ length: FILES }, (_, i) => join(folder, 'data', `part-${i}.parquet`))
  const missing: Record<string, string> = {}
  const compared = new Map<string, Record<string, number>>()
  const ours = await runMillrace(built, pattern) // the disk's cache is warm from here on
  for (const name of wanted?.split(',') ?? Object.keys(PEERS)) {
    if (!existsSync(PEERS[name]?.[0] ?? '')) missing[name] = 'not installed: bash bench/peers/setup.sh etl spark'
    else
      try {
        compared.set(name, await compare(name, ours.facts, (await runPeer(name, files)).facts))
      } catch (error) {
        missing[name] = String(error).slice(0, 1000) // a peer that fails or differs is not timed
      }
    console.error(name, compared.get(name) ?? missing[name])
  }
  const found: Measured[] = []
  for (const [peer, same] of compared) {
    const samples: { ours: Sample[]; theirs: Sample[] } = { ours: [], theirs: [] }
    try {
      for (let round = 0; round < rounds; round++)
        for (const isOurs of [true, false, false, true])
          if (isOurs) samples.ours.push((await runMillrace(built, pattern)).sample)
          else samples.theirs.push((await runPeer(peer, files)).sample)
    } catch (error) {
      missing[peer] = String(error).slice(0, 1000)
      continue
    }
    const load = { start, end: loadavg()[0] }
    found.push({ peer, version: versionOf(peer), rows, rounds, versions: versions(), load, compared: same, samples })
    for (const [unit, get] of UNITS)
      console.log(peer, unit, 'theirs / ours', times(samples.ours.map(get), samples.theirs.map(get)))
  }
  const isAgain = (one: Measured): boolean => one.rows === rows && compared.has(one.peer)
  const order = Object.keys(PEERS)
  const measured = [...measuredBefore().filter((one) => !isAgain(one)), ...found].sort(
    (a, b) => a.rows - b.rows || order.indexOf(a.peer) - order.indexOf(b.peer),
  )
  writeReport('etl', measured.flatMap(goalsOf), {
    what: 'validate, quarantine, split, impute, scale, encode, write',
    missing,
    measured,
  })
}

try {
  await main()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
