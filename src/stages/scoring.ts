/** Scores rows two ways: the served file over raw rows, the network over packed features. They must agree. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { ArtifactStore } from '../core/artifacts.js'
import { sessionOptions } from '../core/onnx/session.js'
import type { RecordBatch } from '../core/table.js'
import type { Predictor } from '../serving/predictor.js'
import { ShardReader } from '../train/shard-reader.js'
import { openShards, type ShardManifest } from '../train/shards.js'
import type { NetworkSpec } from '../train/trainer.js'

const BATCH_ROWS = 8192

/** Row-major [rows, width]: float32 probabilities of each class, or one double prediction. */
export interface Scores {
  readonly rows: number
  readonly width: number
  readonly values: Float32Array | Float64Array
}

/** Some rows as the batch path answers them. `slack`, one a value: what a difference may be beyond. */
export interface PackedAnswers {
  readonly values: Float32Array | Float64Array
  readonly labels: Int32Array | Float32Array
  readonly slack?: Float32Array
}

/** The network's answers for the rows of a split, in their order, some at a time. The labels are overwritten by the next. */
export async function* packedAnswers(
  store: ArtifactStore,
  manifest: ShardManifest,
  split: keyof ShardManifest['splits'],
  file: Uint8Array,
  signal: AbortSignal,
): AsyncGenerator<PackedAnswers> {
  const set = await openShards(manifest, split, store)
  const session = await InferenceSession.create(file, sessionOptions(1))
  const reader = new ShardReader(set)
  const categories = new BigInt64Array(Math.min(BATCH_ROWS, set.rows) * set.categories)
  const words = new Int32Array(categories.buffer)
  try {
    for (const { rows, values: block } of reader.chunks(BATCH_ROWS)) {
      signal.throwIfAborted()
      const feeds: Record<string, Tensor> = {}
      if (set.numeric > 0)
        feeds['numeric'] = new Tensor('float32', block.numeric.subarray(0, rows * set.numeric), [rows, set.numeric])
      if (set.categories > 0) {
        const length = rows * set.categories
        // indexes are never negative, so the upper words stay 0 (little-endian, as all that Node runs on)
        for (let i = 0; i < length; i++) words[2 * i] = block.categories[i] ?? 0
        feeds['categories'] = new Tensor('int64', categories.subarray(0, length), [rows, set.categories])
      }
      const result = await session.run(feeds)
      const output = result['probability'] ?? result['prediction'] ?? result['logits']
      yield { values: output?.data as Float32Array | Float64Array, labels: block.label.subarray(0, rows) }
    }
  } finally {
    reader[Symbol.dispose]()
    await session.release()
  }
}

/** The same for all rows of a split at once. */
export async function scorePacked(
  store: ArtifactStore,
  manifest: ShardManifest,
  split: keyof ShardManifest['splits'],
  network: NetworkSpec,
  file: Uint8Array,
  signal: AbortSignal,
): Promise<PackedAnswers> {
  const rows = manifest.splits[split].reduce((sum, shard) => sum + shard.rows, 0)
  const { values, labels } = emptyAnswers(network, manifest, rows)
  let row = 0
  for await (const some of packedAnswers(store, manifest, split, file, signal)) {
    values.set(some.values, row * network.outputs)
    labels.set(some.labels, row)
    row += some.labels.length
  }
  return { values, labels }
}

/** The served file's answers for raw rows, in their order, a batch at a time. */
export async function* rawAnswers(
  predictor: Predictor,
  batches: AsyncIterable<RecordBatch>,
  signal: AbortSignal,
): AsyncGenerator<{ readonly batch: RecordBatch; readonly values: Float32Array | Float64Array }> {
  for await (const batch of batches) {
    signal.throwIfAborted()
    const answer = await predictor.predict(batch, signal)
    const values = answer.probabilities ?? answer.values
    if (values !== undefined) yield { batch, values }
  }
}

/** The same for all rows at once; `also` sees every batch. */
export async function scoreRaw(
  predictor: Predictor,
  batches: AsyncIterable<RecordBatch>,
  rows: number,
  width: number,
  signal: AbortSignal,
  also: (batch: RecordBatch) => void = () => undefined,
): Promise<Scores> {
  const values = scoreArray(predictor.metadata.task.kind, rows * width)
  let row = 0
  for await (const some of rawAnswers(predictor, batches, signal)) {
    values.set(some.values, row * width)
    row += some.batch.rows
    also(some.batch)
  }
  if (row !== rows) throw new Error(`${row} rows were scored where ${rows} were split off`)
  return { rows, width, values }
}

/** Room for the answers and labels of so many rows. */
export function emptyAnswers({ task, outputs }: NetworkSpec, { label }: ShardManifest, rows: number): PackedAnswers {
  return {
    values: scoreArray(task, rows * outputs),
    labels: label === 'int32' ? new Int32Array(rows) : new Float32Array(rows),
  }
}

function scoreArray(task: NetworkSpec['task'], length: number): Float32Array | Float64Array {
  return task === 'classification' ? new Float32Array(length) : new Float64Array(length)
}

/**
 * The largest difference of a row, of answers that come some at a time, cut differently: absolute for probabilities, for
 * regressions relative to the prediction where it is above 1.
 */
export async function largestDifference(
  raw: AsyncIterable<{ readonly values: Float32Array | Float64Array }>,
  packed: AsyncIterable<PackedAnswers>,
  isRelative: boolean,
): Promise<number> {
  const theirs = packed[Symbol.asyncIterator]()
  let [difference, at] = [0, 0]
  let block: PackedAnswers | undefined
  const next = async (): Promise<void> => {
    const found = await theirs.next()
    block = found.done === true ? undefined : found.value
    at = 0
  }
  try {
    await next()
    for await (const { values } of raw)
      for (let i = 0; i < values.length; i++) {
        while (block !== undefined && at === block.values.length) await next()
        if (block === undefined) throw new Error('the served file answers more rows than the batch path')
        const x = values[i] ?? Number.NaN
        const y = block.values[at] ?? Number.NaN
        const apart = Math.abs(x - y) / (isRelative ? Math.max(1, Math.abs(x)) : 1)
        // a curve may be steep: what a difference before it that is allowed makes of the answer is allowed too
        const d = apart <= (block.slack?.[at] ?? 0) ? 0 : apart
        if (!(d <= difference)) difference = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d
        at++
      }
    while (block !== undefined && at === block.values.length) await next()
    if (block !== undefined) throw new Error('the batch path answers more rows than the served file')
  } finally {
    await theirs.return?.()
  }
  return difference
}
