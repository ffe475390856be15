/**
 * Steps a second of the embedded trainer beside PyTorch, on the same rows from the same weights, in one run.
 *
 *   npx tsx bench/training.ts [--python python] [--threads 1] [--batch 512] [--hidden 256,128,64] [--dropout 0]
 *                             [--steps 200] [--rounds 3] [--out bench/results/training.json]
 *
 * The first 50 losses are compared before anything is timed. Then each round runs ours, eager, fused, fused, eager, ours;
 * every sample is kept. Without a Python that has torch only ours is measured.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Rng } from '../src/core/rng.js'
import { EpochReader } from '../src/train/epoch-reader.js'
import { NpyWriter } from '../src/train/npy.js'
import { initialWeights } from '../src/train/onnx/network.js'
import { TrainingSession, type Vectors } from '../src/train/onnx/sessions.js'
import { dropoutPool, StepFiller } from '../src/train/onnx/steps.js'
import { EpochOrder, orderGeometry } from '../src/train/order.js'
import { ShardReader } from '../src/train/shard-reader.js'
import type { ShardSet } from '../src/train/shards.js'
import type { TrainJob } from '../src/train/trainer.js'

const { values: given } = parseArgs({
  options: {
    python: { type: 'string', default: 'python' },
    threads: { type: 'string', default: '1' },
    batch: { type: 'string', default: '512' },
    hidden: { type: 'string', default: '256,128,64' },
    dropout: { type: 'string', default: '0' },
    steps: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '3' },
    out: { type: 'string', default: 'bench/results/training.json' },
  },
})
const FEATURES = 30
const STEPS_PER_EPOCH = 51
const threads = Number(given.threads)
const batch = Number(given.batch)
const hidden = given.hidden === '' ? [] : given.hidden.split(',').map(Number)
const dropout = Number(given.dropout)
const steps = Number(given.steps)
const rounds = Number(given.rounds)

interface Sample {
  readonly who: 'ours' | 'eager' | 'fused'
  readonly round: number
  readonly stepsPerSecond: number
  readonly cpuMsPerStep: number
}

/** A table of normal numbers whose class is a noisy function of a few of them, as .npy files that both sides read. */
async function writeData(folder: string): Promise<ShardSet> {
  const rows = batch * STEPS_PER_EPOCH
  const rng = new Rng(1)
  const x = Float32Array.from({ length: rows * FEATURES }, () => rng.normal())
  const y = Int32Array.from({ length: rows }, (_, i) => {
    const [a, b, c] = [x[i * FEATURES] ?? 0, x[i * FEATURES + 1] ?? 0, x[i * FEATURES + 2] ?? 0]
    return a * b + c + rng.normal() > 0 ? 1 : 0
  })
  const write = async (name: string, data: Float32Array | Int32Array, columns?: number): Promise<string> => {
    const path = join(folder, name)
    const writer = await NpyWriter.create(path, data instanceof Float32Array ? 'float32' : 'int32', columns)
    await writer.append(data)
    await writer.close()
    return path
  }
  const set: ShardSet = {
    rows,
    numeric: FEATURES,
    categories: 0,
    label: 'int32',
    shards: [{ rows, numeric: await write('x.npy', x, FEATURES), label: await write('y.npy', y) }],
  }
  const order = new EpochOrder([rows], 0, 1, orderGeometry(4 * (FEATURES + 1)))
  const visited = order.groups.flatMap((group) => {
    const own = group.blocks.flatMap(({ start, rows: count }) => Array.from({ length: count }, (_, i) => start + i))
    return Array.from(order.permutation(group), (at) => own[at] ?? 0)
  })
  await write('order.npy', Int32Array.from(visited), batch)
  return set
}

function makeJob(train: ShardSet): TrainJob {
  return {
    network: { numeric: FEATURES, categories: [], hidden, outputs: 2, task: 'classification' },
    params: {
      hidden,
      dropout,
      batchSize: batch,
      maxEpochs: 1000,
      learningRate: 1e-3,
      weightDecay: 0,
      clipNorm: 0,
      schedule: 'constant',
      warmup: 0,
      patience: 0,
      checkpointEvery: 0,
    },
    task: { kind: 'classification', classes: ['0', '1'], positive: '1' },
    seed: 0,
    threads,
    train,
    validation: train,
  }
}

/** Ours: the trainer's own filling of blocks (rows gathered by a random order) and its training session. */
class Ours {
  #vectors: Vectors
  #done = 0
  private constructor(
    private readonly filler: StepFiller,
    private readonly session: TrainingSession,
    weights: Float32Array,
  ) {
    this.#vectors = {
      parameters: weights,
      first: new Float32Array(weights.length),
      second: new Float32Array(weights.length),
    }
  }

  static async create(job: TrainJob, reader: ShardReader): Promise<Ours> {
    const rowBytes = 4 * (FEATURES + 1)
    // every epoch in the first one's order, as the peer does it
    const order = new EpochOrder([job.train.rows], 0, 1, orderGeometry(rowBytes))
    const labels = { counts: [], mean: 0, scale: 1 }
    const filler = new StepFiller(job, labels, new EpochReader(reader, order), () => order, rowBytes)
    const pool = dropoutPool(job, filler.poolSize)
    const options = { batch, pool: filler.poolSize, clipNorm: 0, weightDecay: 0 }
    const session = await TrainingSession.create(job.network, options, pool, filler.capacity, threads)
    return new Ours(filler, session, initialWeights(job.network, job.seed))
  }

  /** Trains `count` more steps; the losses. */
  async train(count: number): Promise<readonly number[]> {
    const losses: number[] = []
    while (losses.length < count) {
      const step = this.#done % STEPS_PER_EPOCH
      const call = Math.min(50, count - losses.length, STEPS_PER_EPOCH - step)
      if (step === 0) this.filler.begin(1)
      this.filler.fill(step, call, this.#done)
      const result = await this.session.run(this.#vectors, this.filler.block, call)
      this.#vectors = result
      this.#done += call
      losses.push(...result.losses)
    }
    return losses
  }
}

/** The peer process; undefined if there is no such Python or it has no torch. */
class Peer {
  private constructor(
    private readonly process: ChildProcessWithoutNullStreams,
    private readonly lines: AsyncIterator<string>,
    readonly version: string,
  ) {}

  static async start(folder: string): Promise<Peer | undefined> {
    const script = fileURLToPath(new URL('./peers/torch_training.py', import.meta.url))
    const child = spawn(given.python, [script, folder, String(threads), JSON.stringify(hidden), String(dropout)])
    const failed = new Promise<undefined>((resolve) => child.once('error', () => resolve(undefined)))
    child.stderr.resume()
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const first = await Promise.race([lines.next(), failed])
    if (first === undefined || first.done === true) return undefined
    return new Peer(child, lines, (JSON.parse(first.value) as { torch: string }).torch)
  }

  async ask(command: string): Promise<unknown> {
    this.process.stdin.write(`${command}\n`)
    const answer = await this.lines.next()
    if (answer.done === true) throw new Error('the peer ended')
    return JSON.parse(answer.value)
  }

  stop(): void {
    this.process.stdin.end()
  }
}

/** 95 % bootstrap interval of the median of per-round ratios. */
function interval(ratios: readonly number[]): readonly [number, number] {
  const rng = new Rng(2)
  const medians = Array.from({ length: 2000 }, () => median(ratios.map(() => ratios[rng.below(ratios.length)] ?? 0)))
  medians.sort((a, b) => a - b)
  return [medians[50] ?? 0, medians[1949] ?? 0]
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
try {
  const train = await writeData(folder)
  const job = makeJob(train)
  const weights = initialWeights(job.network, job.seed)
  const writer = await NpyWriter.create(join(folder, 'weights.npy'), 'float32')
  await writer.append(weights)
  await writer.close()
  using reader = new ShardReader(train)
  const peer = await Peer.start(folder)

  let largestDifference: number | undefined
  if (peer && dropout === 0) {
    const ours = await (await Ours.create(job, reader)).train(50)
    const { losses } = (await peer.ask('losses 50')) as { losses: number[] }
    largestDifference = Math.max(...ours.map((loss, step) => Math.abs(loss - (losses[step] ?? NaN))))
    if (!(largestDifference < 1e-5)) throw new Error(`losses differ from torch's by ${largestDifference}`)
  }

  const ours = await Ours.create(job, reader)
  const samples: Sample[] = []
  const measure = async (who: Sample['who'], round: number): Promise<void> => {
    let seconds: { wall: number; cpu: number }
    if (who === 'ours') {
      const wall = performance.now()
      const cpu = process.cpuUsage()
      await ours.train(steps)
      const used = process.cpuUsage(cpu)
      seconds = { wall: (performance.now() - wall) / 1000, cpu: (used.user + used.system) / 1e6 }
    } else seconds = (await peer?.ask(`time ${who} ${round * steps} ${steps}`)) as typeof seconds
    samples.push({ who, round, stepsPerSecond: steps / seconds.wall, cpuMsPerStep: (1000 * seconds.cpu) / steps })
  }
  await ours.train(50)
  if (peer) for (const kind of ['eager', 'fused']) await peer.ask(`time ${kind} 0 50`)
  const turns: readonly Sample['who'][] = peer ? ['ours', 'eager', 'fused', 'fused', 'eager', 'ours'] : ['ours', 'ours']
  for (let round = 0; round < rounds; round++) for (const who of turns) await measure(who, round)
  peer?.stop()

  const of = (who: Sample['who'], round?: number): readonly Sample[] =>
    samples.filter((sample) => sample.who === who && (round === undefined || sample.round === round))
  const ratios = (who: 'eager' | 'fused'): readonly number[] =>
    Array.from({ length: rounds }, (_, round) => {
      const rate = (list: readonly Sample[]): number => median(list.map(({ stepsPerSecond }) => stepsPerSecond))
      return rate(of('ours', round)) / rate(of(who, round))
    })
  const summary = Object.fromEntries(
    (peer ? (['ours', 'eager', 'fused'] as const) : (['ours'] as const)).map((who) => [
      who,
      {
        stepsPerSecond: median(of(who).map(({ stepsPerSecond }) => stepsPerSecond)),
        cpuMsPerStep: median(of(who).map(({ cpuMsPerStep }) => cpuMsPerStep)),
      },
    ]),
  )
  const result = {
    bench: 'training',
    cpu: cpus()[0]?.model,
    node: process.version,
    peer: peer ? `torch ${peer.version}` : null,
    network: [FEATURES, ...hidden, 2],
    batch,
    threads,
    dropout,
    stepsPerSample: steps,
    largestDifferenceOfFirst50Losses: largestDifference ?? null,
    summary,
    ratios: peer
      ? {
          eager: { rounds: ratios('eager'), interval: interval(ratios('eager')) },
          fused: { rounds: ratios('fused'), interval: interval(ratios('fused')) },
        }
      : null,
    samples,
  }
  await mkdir(dirname(given.out), { recursive: true })
  await writeFile(given.out, `${JSON.stringify(result, null, 2)}\n`)
  console.log(JSON.stringify({ ...result, samples: undefined }, null, 2))
} finally {
  await rm(folder, { recursive: true, force: true })
}
