/**
 * The ETL part of a pipeline beside DuckDB typed by hand (the tax), PySpark, pandas and Polars: the same job
 * (bench/etl/job.ts), results compared row by row first, then processes in A-B-B-A rounds.
 * `bash bench/peers/setup.sh etl spark`, then `npm run bench -- etl [rows] [rounds] [peer,peer…]`; Linux only. Every sample
 * goes to bench/results/etl.json, where a run takes the place of what was measured before of its peers at its number of
 * rows, and nothing else: one peer and one size at a time add up to the whole table.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { versions } from '../src/stages/run-pipeline.js'
import { compare } from './etl/compare.js'
import {
  addedUp,
  inTurns,
  prepare,
  python,
  ROOT,
  runMillrace,
  runPeer,
  type Sample,
  versionOf,
} from './etl/contenders.js'
import { type GoalRow, times, writeReport } from './report.js'

const PEERS: Readonly<Record<string, readonly string[]>> = {
  duckdb: [process.execPath, join(ROOT, 'bench/etl/duckdb.mjs')],
  'duckdb+profile': [process.execPath, join(ROOT, 'bench/etl/duckdb.mjs'), '--profile'],
  polars: python('etl', 'etl_polars.py'),
  pandas: python('etl', 'etl_pandas.py'),
  pyspark: python('spark', 'etl_spark.py'),
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

const [rows, rounds, wanted] = [Number(process.argv[2] ?? 1e6), Number(process.argv[3] ?? 3), process.argv[4]]
const folder = mkdtempSync(join(tmpdir(), 'millrace-etl-'))

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

const UNITS: readonly (readonly [string, (sample: Sample) => number])[] = [
  ['wall', (sample) => sample.wall_s],
  ['CPU', (sample) => sample.cpu_s],
  ['peak memory', (sample) => sample.peak_bytes],
]

async function main(): Promise<void> {
  const start = loadavg()[0]
  const place = await prepare(folder, rows)
  const peer = (name: string) => runPeer(place, name, PEERS[name] ?? [])
  const missing: Record<string, string> = {}
  const compared = new Map<string, Record<string, number>>()
  const ours = await runMillrace(place) // the disk's cache is warm from here on
  for (const name of wanted?.split(',') ?? Object.keys(PEERS)) {
    if (!existsSync(PEERS[name]?.[0] ?? '')) missing[name] = 'not installed: bash bench/peers/setup.sh etl spark'
    else
      try {
        compared.set(name, await compare(name, ours.facts, (await peer(name)).facts))
      } catch (error) {
        missing[name] = String(error).slice(0, 1000) // a peer that fails or differs is not timed
      }
    console.error(name, compared.get(name) ?? missing[name])
  }
  const found: Measured[] = []
  for (const [name, same] of compared) {
    let samples: Measured['samples']
    try {
      samples = await inTurns(
        rounds,
        async () => (await runMillrace(place)).sample,
        async () => (await peer(name)).sample,
      )
    } catch (error) {
      missing[name] = String(error).slice(0, 1000)
      continue
    }
    const load = { start, end: loadavg()[0] }
    found.push({
      peer: name,
      version: versionOf(name),
      rows,
      rounds,
      versions: versions(),
      load,
      compared: same,
      samples,
    })
    for (const [unit, get] of UNITS)
      console.log(name, unit, 'theirs / ours', times(samples.ours.map(get), samples.theirs.map(get)))
  }
  const measured = addedUp('etl', rows, compared, found, Object.keys(PEERS))
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
