/**
 * The ETL part of a pipeline on Spark, beside the same job by hand with pyspark.ml (`+profile`: also the statistics that our
 * report holds) and, without goals, with PySpark's SQL functions, on DuckDB and in pandas: few texts one-hot, the others by
 * position (bench/etl/job.ts). Results are compared row by row first, then processes in A-B-B-A rounds. Both sides of Spark
 * have one JVM of two cores and 8 GB, started anew for each sample, and do the job twice: the first time is cold, the second
 * warm. Ours is the whole of our process each time, beside a Spark Connect server; theirs is without the start of Python and
 * of the JVM.
 * `bash bench/peers/setup.sh etl spark`, then `npm run bench -- etl-spark [rows] [rounds] [peer,peer…] [memory limit]`;
 * Linux only. 0 rounds: compared, and one sample of each printed. bench/results/etl-spark.json adds up as etl.json does.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { versions } from '../src/stages/run-pipeline.js'
import { compare, type Facts, type Features } from './etl/compare.js'
import {
  addedUp,
  inTurns,
  type Place,
  prepare,
  python,
  type Run,
  runMillrace,
  runPeer,
  versionOf,
} from './etl/contenders.js'
import { NUMBERS, ONE_HOT, TEXTS } from './etl/job.js'
import { startServer } from './etl/spark-server.js'
import { absolute, type GoalRow, times, writeReport } from './report.js'
import { median } from './statistics.js'

const SERVER_MEMORY = '8g'
const MB = 1e6

interface Times {
  readonly wall_s: number
  /** Of all processes: of ours, Node's and the server's. */
  readonly cpu_s: number
}
interface Sample {
  /** Where there is no server and no JVM, the one time. */
  readonly warm: Times
  readonly cold?: Times
  /** Seconds until the server or the JVM stood. */
  readonly start?: number
  /** Most memory of all processes together. */
  readonly peak_bytes: number
  /** Most memory of the Node process beside the server, in both runs. */
  readonly driver_bytes?: number
}
/** What was measured beside one peer at one number of rows. */
interface Measured {
  readonly peer: string
  readonly version: string
  readonly rows: number
  readonly rounds: number
  readonly memoryLimit?: string
  readonly versions: Readonly<Record<string, string>>
  readonly load: { readonly start: number | undefined; readonly end: number | undefined }
  readonly compared: Readonly<Record<string, number>>
  readonly samples: { readonly ours: readonly Sample[]; readonly theirs: readonly Sample[] }
}
interface Done {
  readonly sample: Sample
  readonly facts: Facts & Features
}
interface Peer {
  readonly version: string
  /** What must be there; absent where nothing need be installed. */
  readonly command?: string
  run(place: Place): Promise<Done>
}

/** pyspark.ml's vectors as columns: a dense one of numbers, sparse ones of a single 1, whose place is the category. */
const OF_VECTORS = [
  'id',
  'label',
  'split',
  ...NUMBERS.map((name, i) => `numbers."values"[${i + 1}] AS ${name}`),
  ...TEXTS.map((name) =>
    ONE_HOT.includes(name)
      ? `CASE WHEN ${name}."type" = 0 AND ${name}."values" = [1.0] THEN ${name}.indices[1] END AS ${name}`
      : name,
  ),
]

const PEERS: Readonly<Record<string, Peer>> = {
  'pyspark.ml': byPython('pyspark.ml', 'pyspark', python('spark', 'etl_pyspark_ml.py'), OF_VECTORS),
  'pyspark.ml+profile': byPython(
    'pyspark.ml+profile',
    'pyspark',
    [...python('spark', 'etl_pyspark_ml.py'), '--profile'],
    OF_VECTORS,
  ),
  'pyspark.sql': byPython('pyspark.sql', 'pyspark', python('spark', 'etl_spark.py')),
  'millrace on duckdb': {
    version: versions()['millrace'] ?? '',
    run: async (place) => once(await runMillrace(place, { oneHot: ONE_HOT })),
  },
  pandas: byPython('pandas', 'pandas', python('etl', 'etl_pandas.py')),
}

function byPython(name: string, distribution: string, command: readonly string[], columns?: readonly string[]): Peer {
  return {
    get version() {
      return versionOf(distribution)
    },
    ...(command[0] === undefined ? {} : { command: command[0] }),
    async run(place) {
      const done = once(await runPeer(place, name, command))
      return columns === undefined ? done : { ...done, facts: { ...done.facts, columns } }
    },
  }
}

/** A process that does the job by itself: once, or as bench/peers/spark_job.py twice. */
function once({ sample, facts }: Run): Done {
  const { wall_s, cpu_s, peak_bytes, seconds = wall_s, cpu_seconds = cpu_s, cold, cpu_cold, start } = sample
  const isTwice = cold !== undefined && cpu_cold !== undefined && start !== undefined
  const warm = isTwice ? { wall_s: seconds, cpu_s: cpu_seconds } : { wall_s, cpu_s }
  const first = isTwice ? { cold: { wall_s: cold, cpu_s: cpu_cold }, start } : {}
  return { sample: { warm, ...first, peak_bytes }, facts }
}

const [rows, rounds] = [Number(process.argv[2] ?? 1e6), Number(process.argv[3] ?? 3)]
const [wanted, memoryLimit] = [process.argv[4]?.split(',') ?? Object.keys(PEERS), process.argv[5]]
const folder = mkdtempSync(join(tmpdir(), 'millrace-etl-spark-'))

/** Ours: a server started anew, and two pipelines with homes of their own. */
async function runOnSpark(place: Place): Promise<Done> {
  const server = startServer(join(folder, 'server'), SERVER_MEMORY)
  try {
    const limit = memoryLimit === undefined ? {} : { memoryLimit }
    const form = { ...limit, remote: server.remote, oneHot: ONE_HOT }
    const runs = [await runMillrace(place, form, server.pid), await runMillrace(place, form, server.pid)] as const
    const [cold, warm] = runs.map(({ sample: { wall_s, cpu_s } }): Times => ({ wall_s, cpu_s })) as [Times, Times]
    const most = (get: (run: Run) => number): number => Math.max(...runs.map(get))
    return {
      sample: {
        ...{ warm, cold, start: server.start },
        peak_bytes: most(({ sample }) => sample.peak_bytes),
        driver_bytes: most(({ sample }) => sample.own_bytes),
      },
      facts: runs[1].facts,
    }
  } finally {
    server.stop()
  }
}

/** How many times as much theirs take, of the second time and of the first. */
function ratios({ samples }: Measured, get: (times: Times) => number) {
  const of = (time: 'warm' | 'cold') => {
    const values = (side: readonly Sample[]): number[] => side.map((sample) => get(sample[time] ?? sample.warm))
    return times(values(samples.ours), values(samples.theirs))
  }
  return { warm: of('warm'), cold: of('cold') }
}

/** The goals, of those that are measured for one: the job by hand with pyspark.ml, and this machine's memory meanwhile. */
function goalsOf(measured: Measured, all: readonly Measured[]): readonly GoalRow[] {
  const { peer, version, rows, samples, memoryLimit: limit } = measured
  const profiled = peer === 'pyspark.ml+profile'
  if (rows < 1e6 || (peer !== 'pyspark.ml' && !profiled)) return []
  const at = `${rows / 1e6} M rows x 20 columns${profiled ? ', which makes the report’s statistics too' : ''}`
  const row = { area: 'ETL on Spark', unit: 'times', better: 'more', peer: `${peer} ${version}` } as const
  const [wall, cpu] = [ratios(measured, ({ wall_s }) => wall_s), ratios(measured, ({ cpu_s }) => cpu_s)]
  const driver = samples.ours.map(({ driver_bytes = NaN }) => driver_bytes / MB)
  const memory: GoalRow = {
    ...{ area: 'memory', goal: 300, unit: 'MB', better: 'less', measured: absolute(driver) },
    what: `this machine's process while Spark works, ${at}`,
    note: limit === undefined ? 'without data.memory_limit' : `with data.memory_limit: ${limit}`,
  }
  return [
    { ...row, goal: 1.2, what: `as fast, the second time, ${at}`, measured: wall.warm, note: mediansAt(rows, all) },
    { ...row, goal: 1.2, what: `as fast, the first time, ${at}`, measured: wall.cold },
    { ...row, goal: 1, what: `its CPU beside ours, the second time, ${at}`, measured: cpu.warm },
    { ...row, goal: 1, what: `its CPU beside ours, the first time, ${at}`, measured: cpu.cold },
    ...(profiled ? [] : [memory]),
  ]
}

/** e.g. `medians of the second time: Millrace on Spark 20 s (30 s of CPU), …`. */
function mediansAt(rows: number, all: readonly Measured[]): string {
  const at = all.filter((one) => one.rows === rows)
  const shown = (name: string, samples: readonly Sample[]): string => {
    const [wall, cpu] = [median(samples.map((s) => s.warm.wall_s)), median(samples.map((s) => s.warm.cpu_s))]
    return `${name} ${wall.toPrecision(3)} s (${cpu.toPrecision(3)} s of CPU)`
  }
  const ours = at.flatMap(({ samples }) => samples.ours)
  const theirs = at.map(({ peer, samples }) => shown(peer, samples.theirs))
  return `medians of the second time: ${[shown('Millrace on Spark', ours), ...theirs].join(', ')}`
}

async function main(): Promise<void> {
  const start = loadavg()[0]
  const place = await prepare(folder, rows)
  const missing: Record<string, string> = {}
  const compared = new Map<string, { readonly peer: Peer; readonly same: Record<string, number> }>()
  const ours = await runOnSpark(place)
  for (const name of wanted) {
    const peer = PEERS[name]
    if (peer === undefined) throw new RangeError(`peers: ${Object.keys(PEERS).join(', ')}`)
    if (peer.command !== undefined && !existsSync(peer.command))
      missing[name] = 'not installed: bash bench/peers/setup.sh etl spark'
    else
      try {
        const theirs = await peer.run(place)
        compared.set(name, { peer, same: await compare(name, ours.facts, theirs.facts) })
        if (rounds === 0) console.log({ ours: ours.sample, [name]: theirs.sample })
      } catch (error) {
        missing[name] = String(error).slice(0, 1000) // a peer that fails or differs is not timed
      }
    console.error(name, compared.get(name)?.same ?? missing[name])
  }
  if (rounds === 0) return
  const found: Measured[] = []
  for (const [name, { peer, same }] of compared) {
    const samples = await inTurns(
      rounds,
      async () => (await runOnSpark(place)).sample,
      async () => (await peer.run(place)).sample,
    )
    const one: Measured = {
      ...{ peer: name, version: peer.version, rows, rounds, versions: versions() },
      ...(memoryLimit === undefined ? {} : { memoryLimit }),
      ...{ load: { start, end: loadavg()[0] }, compared: same, samples },
    }
    found.push(one)
    console.log(name, 'theirs / ours', {
      wall: ratios(one, ({ wall_s }) => wall_s),
      CPU: ratios(one, ({ cpu_s }) => cpu_s),
    })
  }
  const measured = addedUp('etl-spark', rows, compared, found, Object.keys(PEERS))
  const what = 'validate, quarantine, split, impute, scale, encode, write; on Spark'
  writeReport(
    'etl-spark',
    measured.flatMap((one) => goalsOf(one, measured)),
    { what, missing, measured },
  )
}

// an interrupted benchmark leaves neither its table nor, by startServer, its server
process.once('SIGINT', () => process.exit(130))
process.once('exit', () => {
  rmSync(folder, { recursive: true, force: true })
})
await main()
