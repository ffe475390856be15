/** The rows, their order and the first weights of the training benchmark, as .npy files that both sides read. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Rng } from '../../src/core/rng.js'
import { NpyWriter } from '../../src/train/npy.js'
import { initialWeights } from '../../src/train/onnx/network.js'
import { EpochOrder, orderGeometry } from '../../src/train/order.js'
import type { ShardSet } from '../../src/train/shards.js'
import type { TrainJob } from '../../src/train/trainer.js'

export const FEATURES = 30
export const STEPS_PER_EPOCH = 51
export const ROW_BYTES = 4 * (FEATURES + 1)

/** What one side is started with. */
export interface Setting {
  readonly folder: string
  readonly threads: number
  readonly batch: number
  readonly hidden: readonly number[]
  readonly dropout: number
}

/** Every epoch in the first one's order, as the peer has it. */
export const rowOrder = (rows: number): EpochOrder => new EpochOrder([rows], 0, 1, orderGeometry(ROW_BYTES))

async function write(path: string, data: Float32Array | Int32Array, columns?: number): Promise<string> {
  const writer = await NpyWriter.create(path, data instanceof Float32Array ? 'float32' : 'int32', columns)
  await writer.append(data)
  await writer.close()
  return path
}

/** A table of normal numbers whose class is a noisy function of a few of them; weights by the trainer's own rule. */
export async function writeData(setting: Setting, steps = STEPS_PER_EPOCH): Promise<void> {
  const { folder, batch } = setting
  const rows = batch * steps
  const rng = new Rng(1)
  const x = Float32Array.from({ length: rows * FEATURES }, () => rng.normal())
  const y = Int32Array.from({ length: rows }, (_, i) => {
    const [a, b, c] = [x[i * FEATURES] ?? 0, x[i * FEATURES + 1] ?? 0, x[i * FEATURES + 2] ?? 0]
    return a * b + c + rng.normal() > 0 ? 1 : 0
  })
  const shard = {
    rows,
    numeric: await write(join(folder, 'x.npy'), x, FEATURES),
    label: await write(join(folder, 'y.npy'), y),
  }
  const set: ShardSet = { rows, numeric: FEATURES, categories: 0, label: 'int32', shards: [shard] }
  await writeFile(join(folder, 'set.json'), JSON.stringify(set))
  const order = rowOrder(rows)
  const visited = order.groups.flatMap((group) => {
    const own = group.blocks.flatMap(({ start, rows: count }) => Array.from({ length: count }, (_, i) => start + i))
    return Array.from(order.permutation(group), (at) => own[at] ?? 0)
  })
  await write(join(folder, 'order.npy'), Int32Array.from(visited), batch)
  const job = makeJob(setting, set)
  await write(join(folder, 'weights.npy'), initialWeights(job.network, job.seed))
}

export function makeJob({ hidden, dropout, batch, threads }: Setting, train: ShardSet): TrainJob {
  return {
    network: { numeric: FEATURES, categories: [], hidden, outputs: 2, task: 'classification' },
    params: {
      ...{ hidden, dropout, batchSize: batch, maxEpochs: 1000, learningRate: 1e-3, weightDecay: 0, clipNorm: 0 },
      ...{ schedule: 'constant', warmup: 0, patience: 0, checkpointEvery: 0 },
    },
    task: { kind: 'classification', classes: ['0', '1'], positive: '1' },
    seed: 0,
    threads,
    train,
    validation: train,
  }
}
