/**
 * Rows a second that reach the trainer's blocks in a random order, beside PyTorch's DataLoader over a Dataset of tensors
 * in memory and one that opens a partition's file for each row; without workers and with two, of which the faster counts.
 * Ours is the trainer's own path: shards on disk, epoch order, one thread. Both sides add up what they read, which must
 * be equal. `bash bench/peers/setup.sh torch`, then `npm run bench -- data-path [ROUNDS]`; the result goes to
 * bench/results/data-path.json.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { EpochReader } from '../src/train/epoch-reader.js'
import { NpyWriter } from '../src/train/npy.js'
import { StepFiller } from '../src/train/onnx/steps.js'
import { EpochOrder, orderGeometry } from '../src/train/order.js'
import { allocateRows, ShardReader } from '../src/train/shard-reader.js'
import type { ShardSet } from '../src/train/shards.js'
import { times, writeReport, type GoalRow } from './report.js'
import { FEATURES, makeJob, ROW_BYTES, STEPS_PER_EPOCH, writeData, type Setting } from './training/data.js'

const PYTHON = fileURLToPath(new URL('../.venv-bench-torch/bin/python', import.meta.url))
const PEER = fileURLToPath(new URL('peers/torch_loader.py', import.meta.url))
const rounds = Number(process.argv[2] ?? 5)
const BATCH = 256
/** As many rows as the training benchmark's: 51 steps of 512. */
const STEPS = 2 * STEPS_PER_EPOCH
const ROWS = BATCH * STEPS
const PARTS = 51
/** Epochs of one sample: of ours more, so that a sample is not too short to time. */
const EPOCHS = { ours: 40, memory: 2, files: 1 }

interface Sums {
  readonly features: number
  readonly labels: number
  readonly rows: number
}
interface Answer extends Sums {
  readonly seconds: number
}

const shardsOf = async (folder: string): Promise<ShardSet> =>
  JSON.parse(await readFile(join(folder, 'set.json'), 'utf8')) as ShardSet

/** A file for each partition: rows of features and, last, the label. */
async function writeParts(folder: string): Promise<void> {
  using shards = new ShardReader(await shardsOf(folder))
  const all = allocateRows(shards.set, ROWS)
  shards.read(0, 0, ROWS, all)
  const { numeric: x, label: y } = all
  const rows = ROWS / PARTS
  for (let part = 0; part < PARTS; part++) {
    const values = new Float32Array(rows * (FEATURES + 1))
    for (let i = 0; i < rows; i++) {
      const row = part * rows + i
      values.set(x.subarray(row * FEATURES, (row + 1) * FEATURES), i * (FEATURES + 1))
      values[(i + 1) * (FEATURES + 1) - 1] = y[row] ?? 0
    }
    const writer = await NpyWriter.create(join(folder, `part${part}.npy`), 'float32', FEATURES + 1)
    await writer.append(values)
    await writer.close()
  }
}

/** Fills the trainer's blocks, each epoch in an order of its own; `sum` adds up those of the last. */
async function reader(setting: Setting): Promise<(epochs: number) => Answer> {
  const set = await shardsOf(setting.folder)
  const job = makeJob(setting, set)
  const geometry = orderGeometry(ROW_BYTES)
  const order = (epoch: number): EpochOrder => new EpochOrder([set.rows], 0, epoch, geometry)
  const source = new EpochReader(new ShardReader(set), order(1))
  const filler = new StepFiller(job, { counts: [], mean: 0, scale: 1 }, source, order, ROW_BYTES)
  const { block, capacity } = filler
  return (epochs) => {
    const start = performance.now()
    let [features, labels, rows] = [0, 0, 0]
    for (let epoch = 1; epoch <= epochs; epoch++) {
      ;[features, labels, rows] = [0, 0, 0]
      filler.begin(epoch)
      for (let step = 0; step < STEPS; step += capacity) {
        const steps = Math.min(capacity, STEPS - step)
        filler.fill(step, steps, 0)
        const filled = steps * BATCH
        for (let i = 0; i < filled * FEATURES; i++) features += block.numeric[i] ?? 0
        for (let i = 0; i < filled; i++) labels += block.labels[i] ?? 0
        rows += filled
      }
    }
    return { seconds: (performance.now() - start) / 1000, features, labels, rows }
  }
}

function checkEqual(ours: Sums, theirs: Sums, name: string): void {
  // the same rows in other orders: sums of float64 differ by rounding only
  const near = Math.abs(ours.features - theirs.features) <= 1e-6 * ROWS
  if (near && ours.labels === theirs.labels && ours.rows === theirs.rows) return
  throw new Error(`${name} read other rows: ${JSON.stringify({ ours, theirs })}`)
}

const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
try {
  const setting: Setting = { folder, threads: 1, batch: BATCH, hidden: [], dropout: 0 }
  await writeData(setting, STEPS)
  await writeParts(folder)
  const read = await reader(setting)

  const child = spawn(PYTHON, [PEER, JSON.stringify({ folder, batch: BATCH, parts: PARTS })])
  let errors = ''
  child.stderr.on('data', (data: Buffer) => (errors = (errors + data.toString()).slice(-2000)))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async <T>(): Promise<T> => {
    const next = await lines.next()
    if (next.done === true) throw new Error(`torch ended: ${errors}`)
    return JSON.parse(next.value) as T
  }
  const { version } = await line<{ version: string }>()
  const ask = async (name: 'memory' | 'files', workers: number): Promise<Answer> => {
    child.stdin.write(`${name} ${workers} ${EPOCHS[name]}\n`)
    return line<Answer>()
  }

  const samples: Record<string, number[]> = {}
  const take = (name: string, { seconds }: Answer, epochs: number): void => {
    ;(samples[name] ??= []).push(seconds / (ROWS * epochs))
  }
  const goals: GoalRow[] = []
  for (const [name, goal, what] of [
    ['memory', 4, 'rows a second, beside a Dataset of tensors in memory'],
    ['files', 10, 'rows a second, beside a Dataset that opens a file for each row'],
  ] as const) {
    for (const workers of [0, 2]) checkEqual(read(1), await ask(name, workers), `${name}, ${workers} workers`)
    const key = (who: string): string => `${name}: ${who}`
    for (let round = 0; round < rounds; round++)
      for (const who of [-1, 0, 2, 2, 0, -1])
        if (who < 0) take(key('ours'), read(EPOCHS.ours), EPOCHS.ours)
        else take(key(`${who} workers`), await ask(name, who), EPOCHS[name])
    const ours = samples[key('ours')] ?? []
    const [best] = [0, 2]
      .map((workers) => ({ workers, measured: times(ours, samples[key(`${workers} workers`)] ?? []) }))
      .sort((a, b) => a.measured.value - b.measured.value)
    if (best === undefined) continue
    const { workers, measured } = best
    goals.push({
      area: 'data path',
      what,
      goal,
      unit: 'times',
      better: 'more',
      measured,
      peer: `${version}, ${workers} workers`,
    })
  }
  child.stdin.end()
  writeReport('data-path', goals, { unit: 'seconds per row', rows: ROWS, features: FEATURES, batch: BATCH, samples })
} finally {
  await rm(folder, { recursive: true, force: true })
}
