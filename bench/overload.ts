/**
 * The server at three times its own peak: goodput, the time until the rest is turned away, and what hot swaps lose
 * meanwhile, of a million requests at least. Server and client have a core each. The peak is that of a closed loop; then
 * come open-loop requests in three rounds, while the registry's alias moves between two versions every ten seconds; and
 * more rounds of short requests until the million is full. `npm run build && npm run bench -- overload [SECONDS
 * [REQUESTS]]`; the result goes to bench/results/overload.json.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openArtifactStore } from '../src/core/artifact-store.js'
import { openRegistry } from '../src/registry/sqlite.js'
import { loanModel } from '../test/models.js'
import { openLoop, type OpenLoopResult } from './load/open-loop.js'
import { forkPinned, nextMessage, pinSelf } from './load/pinned.js'
import { absolute, writeReport, type GoalRow } from './report.js'

const ROW = '{"income":1234.5,"children":2,"owns home":true,"city":"Oslo","since":"2021-01-01T10:00:00Z"}'
/** Rows of a request. Of one row, turning away costs most beside answering. */
const SIZES = [1, 64, 256]
const FACTOR = 3
const ROUNDS = 3
const CONNECTIONS = 512
/** Sent in all while versions are swapped; `REQUESTS` says another number. */
const REQUESTS = 1_000_000
/** Sockets with a request out each at the peak: enough to keep the server busy, too few to be turned away. */
const PEAK_CONNECTIONS = 64

interface State {
  readonly cpu: NodeJS.CpuUsage
  readonly swaps: number
}

/** Two versions of a model in a registry, for the server's process. */
async function register(folder: string): Promise<void> {
  const registry = await openRegistry(join(folder, 'registry.db'))
  const store = await openArtifactStore(join(folder, 'artifacts'))
  for (const bias of [1, 2]) {
    const model = await store.put(loanModel({ version: String(bias), bias }), 'application/onnx')
    const lineage = { runId: `run-${bias}`, data: 'd', config: 'c' }
    await registry.register({ name: 'loan', model, lineage, metrics: {} })
  }
  await registry.setAlias('loan', 'champion', 1, 'bench')
  await registry.close()
  await store.close()
}

interface Run {
  readonly rows: number
  readonly peakPerSecond: number
  readonly peakCpuMicros: number
  readonly serverCores: number
  readonly swaps: number
  readonly rounds: readonly OpenLoopResult[]
}

const total = (rounds: readonly OpenLoopResult[], ...what: readonly ('sent' | Fault)[]): number =>
  rounds.reduce((sum, round) => what.reduce((all, key) => all + round[key], sum), 0)

/** What must not happen to any request. */
const FAULTS = ['lost', 'failed', 'wrong', 'unasked'] as const
type Fault = (typeof FAULTS)[number]

async function main(seconds: number, requests: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  await register(folder)
  const child = forkPinned(0, fileURLToPath(new URL('load/overload-server.mjs', import.meta.url)), [folder])
  try {
    const { port } = await nextMessage<{ port: number }>(child)
    pinSelf(1)
    const tell = async (message: 'swap' | 'keep'): Promise<State> => {
      const answer = nextMessage<State>(child)
      child.send(message)
      return answer
    }
    const cpuOf = (from: State, to: State): number => to.cpu.user + to.cpu.system - from.cpu.user - from.cpu.system
    const runs: Run[] = []
    let swaps = 0
    for (const rows of SIZES) {
      const request = { port, path: '/invocations', body: `[${Array.from({ length: rows }, () => ROW).join(',')}]` }
      // more than it can do, over few sockets, is a closed loop
      const closed = { ...request, perSecond: 100_000, connections: PEAK_CONNECTIONS, patienceMs: 1_000 }
      await openLoop({ ...closed, seconds: 2 })
      const idle = await tell('keep')
      const peak = await openLoop({ ...closed, seconds: 5 })
      const busy = await tell('swap')
      const peakPerSecond = peak.ok / peak.seconds
      const rounds: OpenLoopResult[] = []
      const overload = { ...request, perSecond: FACTOR * peakPerSecond, seconds: seconds / ROUNDS }
      for (let round = 0; round < ROUNDS; round++)
        rounds.push(await openLoop({ ...overload, connections: CONNECTIONS }))
      const after = await tell('keep')
      runs.push({
        rows,
        peakPerSecond,
        peakCpuMicros: cpuOf(idle, busy) / peak.sent,
        serverCores: cpuOf(busy, after) / 1e6 / seconds,
        swaps: after.swaps - busy.swaps,
        rounds,
      })
      swaps += after.swaps - busy.swaps
    }
    const more: OpenLoopResult[] = []
    const all = (): OpenLoopResult[] => [...runs.flatMap(({ rounds }) => rounds), ...more]
    const before = await tell('swap')
    const short = { port, path: '/invocations', body: `[${ROW}]`, connections: CONNECTIONS }
    const perSecond = FACTOR * (runs[0]?.peakPerSecond ?? 0)
    while (total(all(), 'sent') < requests)
      more.push(await openLoop({ ...short, perSecond, seconds: seconds / ROUNDS }))
    swaps += (await tell('keep')).swaps - before.swaps
    const goals = runs.flatMap(({ rows, peakPerSecond, rounds }): GoalRow[] => {
      const of = `${rows} ${rows === 1 ? 'row' : 'rows'} a request`
      const refused = rounds.flatMap(({ rejected, rejectedMs }) => (rejected > 0 ? rejectedMs.p99 : []))
      const perSecond = (count: number): string => Math.round(count / seconds).toLocaleString('en')
      const answers = rounds.reduce((all, { ok, rejected }) => all + ok + rejected, 0)
      const due = rounds.reduce((all, round) => all + round.due, 0)
      const area = 'overload'
      return [
        {
          ...{ area, what: `${of}: goodput at three times the peak`, goal: 0.9, unit: 'of the peak', better: 'more' },
          measured: absolute(rounds.map((round) => round.ok / round.seconds / peakPerSecond)),
          note: `peak ${Math.round(peakPerSecond).toLocaleString('en')} a second; ${perSecond(due)} a second were offered, ${perSecond(answers)} answered or refused`,
        },
        {
          ...{ area, what: `${of}: refused, 99 % of them within`, goal: 10, unit: 'ms', better: 'less' },
          measured: refused.length === 0 ? { value: 0, low: 0, high: 0 } : absolute(refused),
          note: `from when a request was due; 99 % waited up to ${Math.max(...rounds.map(({ lateMs }) => lateMs.p99))} ms of it for one of the client's ${CONNECTIONS} sockets, and from when it was written to one up to ${Math.max(...rounds.flatMap(({ rejected, rejectedSentMs }) => (rejected > 0 ? rejectedSentMs.p99 : [])))} ms`,
        },
      ]
    })
    const faults = total(all(), ...FAULTS)
    goals.push({
      ...{
        area: 'overload',
        what: `lost, failed or answered wrongly over ${swaps} hot swaps`,
        goal: 0,
        better: 'less',
      },
      ...{ unit: 'requests', measured: { value: faults, low: faults, high: faults } },
      note: `of ${total(all(), 'sent').toLocaleString('en')} sent: ${FAULTS.map((what) => `${what} ${total(all(), what)}`).join(', ')}`,
    })
    writeReport('overload', goals, { seconds, factor: FACTOR, connections: CONNECTIONS, runs, more })
  } finally {
    child.kill()
    rmSync(folder, { recursive: true })
  }
}

await main(Number(process.argv[2] ?? 60), Number(process.argv[3] ?? REQUESTS))
