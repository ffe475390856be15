/**
 * One-row JSON requests over 64 keep-alive connections against one model file, each server alone on one core and the client
 * on the other: `millrace serve` with validation, metrics and, where it can, 1 % of predictions sampled; a hand-written
 * node:http server; FastAPI, MLServer, BentoML, Ray Serve. Each peer runs beside a Millrace of its own, in turns (A-B-B-A).
 * Answers are compared first. Server CPU is that of the whole process tree. Linux only, for /proc and taskset.
 *
 *   npm run build && bash bench/peers/setup-serving.sh && npm run bench -- serving [seconds a round] [peer…]
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loanModel } from '../test/models.js'
import { openLoop } from './load/open-loop.js'
import { pinSelf } from './load/pinned.js'
import { absolute, type GoalRow, times, writeReport } from './report.js'
import { closedLoop, type LoadResult } from './serving/load.js'
import { freePort, ServerProcess } from './serving/processes.js'
import { ask, canSample, type Contender, millrace, nodeHttp, pythonPeers, type Row } from './serving/servers.js'
import { median } from './statistics.js'

const CONNECTIONS = 64
const [SERVER_CORE, CLIENT_CORE] = [0, 1]
const PASSES = 2
const ROW: Row = { income: 123.5, children: 2, 'owns home': true, city: 'Oslo', since: '2021-01-01T10:00:00Z' }
/** Rows on both sides of the threshold, with and without what the model knows. */
const COMPARED: readonly Row[] = [
  ROW,
  { ...ROW, income: -512.25, city: 'Rome' },
  { ...ROW, income: null, children: 0, 'owns home': false },
  { ...ROW, income: -77.125, children: 1, 'owns home': false, city: 'Łódź', since: '2019-12-31T23:59:59Z' },
]

interface Sample extends LoadResult {
  readonly cpuMicros: number
}
interface OpenSample {
  readonly perSecond: number
  readonly sent: number
  readonly lost: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Lateness that the client itself, or a lack of free sockets, added. */
  readonly lateP99Ms: number
}
interface Side {
  readonly contender: Contender
  readonly port: number
  readonly server: ServerProcess
  readonly closed: Sample[]
  readonly alone: Sample[]
  readonly open: OpenSample[]
}
type Samples = Pick<Side, 'closed' | 'alone' | 'open'>

async function start(contender: Contender, port: number): Promise<Side> {
  const target = { port, path: contender.path, body: contender.body(ROW) }
  const isReady = async (): Promise<boolean> => (await ask(target)) !== ''
  const server = await ServerProcess.start(contender.command, SERVER_CORE, contender.env ?? {}, isReady)
  return { contender, port, server, closed: [], alone: [], open: [] }
}

/** Throws unless both give the same label, and probabilities within 1e-6. */
async function compare(ours: Side, theirs: Side): Promise<void> {
  for (const row of COMPARED) {
    const [a, b] = await Promise.all(
      [ours, theirs].map(async ({ contender, port }) =>
        contender.answer(await ask({ port, path: contender.path, body: contender.body(row) })),
      ),
    )
    const far = a?.probabilities.some((p, i) => !(Math.abs(p - (b?.probabilities[i] ?? NaN)) <= 1e-6))
    if (a?.label !== b?.label || far !== false)
      throw new Error(`other answers to ${JSON.stringify(row)}: ${JSON.stringify([a, b])}`)
  }
}

async function measure({ contender, port, server }: Side, connections: number, seconds: number): Promise<Sample> {
  const before = server.cpu()
  const result = await closedLoop({ port, path: contender.path, body: contender.body(ROW) }, connections, seconds)
  const cpuMicros = Number((((server.cpu() - before) * 1e6) / result.requests).toFixed(1))
  if (result.failed > 0) throw new Error(`${contender.name}: ${result.failed} requests failed: ${server.tail()}`)
  return { ...result, cpuMicros }
}

/** At 70 % of the side's own median throughput. */
async function measureOpen({ contender, port, closed }: Side, seconds: number): Promise<OpenSample> {
  const perSecond = Math.round(0.7 * median(closed.map((sample) => sample.perSecond)))
  const request = { port, path: contender.path, body: contender.body(ROW) }
  // more sockets than ever wait at once: lateness is then the server's
  const { sent, lost, okMs, lateMs } = await openLoop({ ...request, perSecond, seconds, connections: 256 })
  return { perSecond, sent, lost, p50Ms: okMs.p50, p99Ms: okMs.p99, lateP99Ms: lateMs.p99 }
}

/** Starts both, compares what they answer, and measures them in turns. */
async function versus(
  ours: Contender,
  oursPort: number,
  theirs: Contender,
  port: number,
  seconds: number,
): Promise<{ readonly ours: Samples; readonly theirs: Samples }> {
  const a = await start(ours, oursPort)
  try {
    const b = await start(theirs, port)
    try {
      await compare(a, b)
      for (const side of [a, b]) await measure(side, CONNECTIONS, Math.min(2, seconds))
      for (let pass = 0; pass < PASSES; pass++)
        for (const side of [a, b, b, a]) side.closed.push(await measure(side, CONNECTIONS, seconds))
      for (const side of [a, b, b, a]) side.alone.push(await measure(side, 1, seconds / 2))
      for (const side of [a, b, b, a]) side.open.push(await measureOpen(side, seconds))
      const samplesOf = ({ closed, alone, open }: Side): Samples => ({ closed, alone, open })
      return { ours: samplesOf(a), theirs: samplesOf(b) }
    } finally {
      await b.server.end()
    }
  } finally {
    await a.server.end()
  }
}

const of = <K extends string>(samples: readonly Readonly<Record<K, number>>[], key: K): number[] =>
  samples.map((sample) => sample[key])

interface Pair {
  readonly peer: string
  readonly ours: Samples
  readonly theirs: Samples
}

/** `fastapi loop`, `fastapi threadpool`: of one peer's settings the one that takes the least CPU. */
function bestOf(pairs: readonly Pair[]): Pair[] {
  const cpu = ({ theirs }: Pair): number => median(of(theirs.closed, 'cpuMicros'))
  const best = new Map<string, Pair>()
  for (const pair of pairs) {
    const [name = ''] = pair.peer.split(' ')
    const other = best.get(name)
    if (!other || cpu(pair) < cpu(other)) best.set(name, pair)
  }
  return [...best.values()]
}

/** The row "serving" of the goals. */
function goalsOf(pairs: readonly Pair[]): GoalRow[] {
  if (pairs.length === 0) return []
  const all = pairs.map(({ ours }) => ours)
  const closed = all.flatMap((samples) => samples.closed)
  const row = (what: string, goal: number, unit: string, better: GoalRow['better'], measured: GoalRow['measured']) => ({
    area: 'serving',
    what,
    goal,
    unit,
    better,
    measured,
  })
  const [cpu, rate] = [absolute(of(closed, 'cpuMicros')), absolute(of(closed, 'perSecond'))]
  const alone = absolute(all.flatMap((samples) => of(samples.alone, 'p99Ms')))
  const open = absolute(all.flatMap((samples) => of(samples.open, 'p99Ms')))
  const rows: GoalRow[] = [
    row('server CPU of a request, 64 connections', 50, 'µs', 'less', cpu),
    row('requests a second, 64 connections, one core', 18_000, '1/s', 'more', rate),
    row('p99 of one connection alone', 1, 'ms', 'less', alone),
    row('p99 at 70 % of its own peak, open loop', 5, 'ms', 'less', open),
  ]
  for (const { peer, ours, theirs } of bestOf(pairs)) {
    const [mine, its] = [of(ours.closed, 'cpuMicros'), of(theirs.closed, 'cpuMicros')]
    const what = 'server CPU of a request: times'
    if (peer === 'node:http') rows.push({ ...row(`${what} as much`, 1.3, 'times', 'less', times(its, mine)), peer })
    else rows.push({ ...row(`${what} less`, 6, 'times', 'more', times(mine, its)), peer })
  }
  return rows
}

async function main(seconds: number, chosen: readonly string[]): Promise<void> {
  pinSelf(CLIENT_CORE)
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const model = join(folder, 'model.onnx')
  await writeFile(model, loanModel())
  const samples = canSample()
  const [oursPort, port] = [await freePort(), await freePort()]
  const { peers, missing } = pythonPeers(model, port, folder)
  const absent: Record<string, string> = { ...missing }
  const pairs: Pair[] = []
  try {
    for (const contender of [nodeHttp(model, port, folder), ...peers]) {
      if (chosen.length > 0 && !chosen.includes(contender.name.split(' ')[0] ?? '')) continue
      try {
        const result = await versus(millrace(model, oursPort, folder, samples), oursPort, contender, port, seconds)
        pairs.push({ peer: contender.name, ...result })
        const [mine, its] = [result.ours, result.theirs].map((side) => ({
          cpuMicros: median(of(side.closed, 'cpuMicros')),
          perSecond: median(of(side.closed, 'perSecond')),
          p99Alone: median(of(side.alone, 'p99Ms')),
          p99Open: median(of(side.open, 'p99Ms')),
          clientCpu: median(of(side.closed, 'clientCpu')),
        }))
        process.stderr.write(`${JSON.stringify({ peer: contender.name, millrace: mine, theirs: its })}\n`)
      } catch (error) {
        absent[contender.name] = String(error).slice(0, 2000)
        process.stderr.write(`${contender.name} is left out: ${String(error)}\n`)
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const what = { connections: CONNECTIONS, seconds, predictionsSampled: samples, answersWithin: 1e-6 }
  writeReport('serving', goalsOf(pairs), { ...what, missing: absent, pairs })
}

const [seconds, ...chosen] = process.argv.slice(2)
await main(Number(seconds ?? 2), chosen)
