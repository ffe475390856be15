/**
 * The cost of durability: milliseconds of one durable step alone, and durable steps a second over 64 flows that share a
 * journal, beside DBOS, Prefect and Dagster in turns. A step is a whole stage: lookup, context, recorded reads, `stage-succeeded`
 * synced before the next begins. In the same rounds the disk's own bound: write and fdatasync of a line of that size.
 * `bash bench/peers/setup.sh dbos prefect dagster`, `npm run build`, then `npm run bench -- executor [ROUNDS]`; writes bench/results/executor.json.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StageKind } from '../src/pipeline/stage.js'
import { absolute, times, writeReport, type GoalRow } from './report.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
// the built code, as users run it: what translates TypeScript as it is loaded names every closure when it is made
const built = async <T>(file: string): Promise<T> => (await import(join(ROOT, 'dist', file))) as T
const { PipelineExecutor } = await built<typeof import('../src/pipeline/executor.js')>('pipeline/executor.js')
const { openHome } = await built<typeof import('../src/pipeline/home.js')>('pipeline/home.js')
const FLOWS = 64
const PEER_LIMIT_MS = 120_000
const rounds = Number(process.argv[2] ?? 5)

interface Config {
  readonly train: { readonly rate: number; readonly rows: number }
}

/** Seconds per step, of wall time and of CPU where it is known. */
interface Sample {
  readonly wall: number
  readonly cpu?: number
  readonly bytes?: number
}

const config: Config = { train: { rate: 0.1, rows: 10 } }
const chain = (length: number): StageKind<Config>[] =>
  Array.from({ length }, (_, i) => ({
    name: `step${i}`,
    version: 1,
    after: i === 0 ? [] : [`step${i - 1}`],
    run: async (context) => (context.config.train.rate > 0 ? {} : {}),
  }))

async function inFolder<T>(use: (path: string) => Promise<T>): Promise<T> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    return await use(path)
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}

/** All steps must be in the journal afterwards: the same work as the peers' sums check. */
const ours = (flows: number, steps: number): Promise<Sample> =>
  inFolder(async (path) => {
    const home = await openHome(path)
    const executor = new PipelineExecutor({ journal: home.journal, store: home.store })
    const stages = chain(steps)
    const cpu = process.cpuUsage()
    const start = performance.now()
    const states = await Promise.all(
      Array.from({ length: flows }, (_, flow) =>
        executor.execute({ name: `flow${flow}`, stages, config, seed: flow, force: true }),
      ),
    )
    const seconds = (performance.now() - start) / 1000
    const used = process.cpuUsage(cpu)
    if (states.some(({ status }) => status !== 'success')) throw new Error('a flow failed')
    const recorded = (await home.journal.successes(`step${steps - 1}`)).length
    if (recorded !== flows) throw new Error(`${recorded} of ${flows} last steps are in the journal`)
    const { size } = await stat(join(path, 'journal'))
    await home.close()
    const n = flows * steps
    return { wall: seconds / n, cpu: (used.user + used.system) / 1e6 / n, bytes: size / n }
  })

const disk = (n: number): Promise<Sample> =>
  inFolder(async (path) => {
    const file = await open(join(path, 'x'), 'a')
    const line = Buffer.alloc(700, 'x')
    const start = performance.now()
    for (let i = 0; i < n; i++) {
      await file.write(line)
      await file.datasync()
    }
    const wall = (performance.now() - start) / 1000 / n
    await file.close()
    return { wall }
  })

const versions: Record<string, string> = {}
const missing: Record<string, string> = {}
/** In a process of its own; throws with the last line of what it said if it fails. */
const peer = (name: string, flows: number, steps: number): Promise<Sample> =>
  inFolder(async (path) => {
    const python = join(ROOT, `.venv-bench-${name}/bin/python`)
    const script = join(ROOT, `bench/peers/executor_${name}.py`)
    const args = [script, path, String(flows), String(steps)]
    const { stdout, stderr, status, error } = spawnSync(python, args, { encoding: 'utf8', timeout: PEER_LIMIT_MS })
    const last = stdout?.trim().split('\n').at(-1) ?? ''
    if (status !== 0) throw new Error(error?.message ?? (stderr ?? '').trim().split('\n').at(-1) ?? 'no reason told')
    const { version, seconds } = JSON.parse(last) as { version: string; seconds: number }
    versions[name] = version
    return { wall: seconds / (flows * steps) }
  })

const PEERS = ['dbos', 'prefect', 'dagster']
/** Peers whose environment is here; of the others, why not. */
const peers = PEERS.filter((name) => existsSync(join(ROOT, `.venv-bench-${name}/bin/python`)))
for (const name of PEERS) {
  const reason = join(ROOT, `.venv-bench-${name}.txt`)
  if (!peers.includes(name)) missing[name] = existsSync(reason) ? readFileSync(reason, 'utf8').trim() : 'not installed'
}
missing['temporal'] = 'not tried: it needs a server beside its Python package'
/** Tried over 64 flows on a busy machine only, where they did not end in about two minutes. */
const ALONE_ONLY = ['prefect', 'dagster']
const flowsOf = (name: string): readonly number[] => (ALONE_ONLY.includes(name) ? [1] : [1, FLOWS])
for (const name of peers.filter((one) => ALONE_ONLY.includes(one)))
  missing[`${name} over ${FLOWS} flows`] =
    'left out: on a busy machine it did not end in about two minutes; not tried on an idle one'

/** Steps of a flow: ours alone for the absolute goals, and beside a peer as many as the peer has. */
const ALONE = 300
const beside = (name: string, flows: number): number =>
  name === 'dbos' ? (flows === 1 ? 100 : 20) : flows === 1 ? 20 : 2
const samples: Record<string, Sample[]> = {}
const take = async (name: string, sample: Promise<Sample>): Promise<void> => {
  const taken = await sample
  ;(samples[name] ??= []).push(taken)
}
const key = (name: string, flows: number): string => `${name}, ${flows} flows`

await ours(8, 50) // warm
for (let round = 0; round < rounds; round++) {
  await take('disk', disk(300))
  for (const flows of [1, FLOWS]) {
    for (const steps of [ALONE, ALONE]) await take(key('ours', flows), ours(flows, steps))
    for (const name of peers.filter((one) => missing[one] === undefined && flowsOf(one).includes(flows))) {
      const steps = beside(name, flows)
      try {
        for (const isOurs of [true, false, false, true])
          if (isOurs) await take(key(`ours beside ${name}`, flows), ours(flows, steps))
          else await take(key(name, flows), peer(name, flows, steps))
      } catch (error) {
        missing[name] = `failed in round ${round} over ${flows} flows: ${String(error)}`
        console.error(name, missing[name])
      }
    }
  }
}

const walls = (name: string): number[] => (samples[name] ?? []).map(({ wall }) => wall)
const area = 'executor'
const goals: GoalRow[] = [
  {
    ...{ area, what: 'a durable step, one flow', goal: 1, unit: 'ms', better: 'less' },
    measured: absolute(walls(key('ours', 1)).map((wall) => 1000 * wall)),
    note:
      'with the disk, whose own write and fdatasync took ' + `${(1000 * absolute(walls('disk')).value).toFixed(2)} ms`,
  },
  {
    ...{ area, what: `durable steps over ${FLOWS} flows`, goal: 20_000, unit: 'a second', better: 'more' },
    measured: absolute(walls(key('ours', FLOWS)).map((wall) => 1 / wall)),
    note: 'one sync serves all flows that wait, so the bound is the CPU time of a step on the one thread of the executor',
  },
  // a peer that failed has samples without their other half: no row, and its reason in `missing`
  ...peers
    .filter((name) => missing[name] === undefined)
    .flatMap((name): GoalRow[] =>
      flowsOf(name).map((flows) => ({
        ...{ area, what: `durable steps, ${flows} flows`, goal: 1, unit: 'times', better: 'more' },
        measured: times(walls(key(`ours beside ${name}`, flows)), walls(key(name, flows))),
        peer: versions[name] ?? name,
        note: `${beside(name, flows)} steps a flow on both sides`,
      })),
    ),
]
writeReport('executor', goals, { unit: 'seconds per step', missing, samples })
