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

/** The network's answers for all rows of a split, and the labels as packed. */
export async function scorePacked(
  store: ArtifactStore,
  manifest: ShardManifest,
  split: keyof ShardManifest['splits'],
  network: NetworkSpec,
  file: Uint8Array,
  signal: AbortSignal,
): Promise<{ readonly scores: Scores; readonly labels: Int32Array | Float32Array }> {
  const set = await openShards(manifest, split, store)
  const session = await InferenceSession.create(file, sessionOptions(1))
  const values = scoreArray(network.task, set.rows * network.outputs)
  const labels = manifest.label === 'int32' ? new Int32Array(set.rows) : new Float32Array(set.rows)
  const reader = new ShardReader(set)
  let row = 0
  try {
    for (const { rows, values: block } of reader.chunks(BATCH_ROWS)) {
      signal.throwIfAborted()
      const feeds: Record<string, Tensor> = {}
      if (set.numeric > 0)
        feeds['numeric'] = new Tensor('float32', block.numeric.subarray(0, rows * set.numeric), [rows, set.numeric])
      if (set.categories > 0)
        feeds['categories'] = new Tensor(
          'int64',
          BigInt64Array.from(block.categories.subarray(0, rows * set.categories), BigInt),
          [rows, set.categories],
        )
      const result = await session.run(feeds)
      const output = result['probability'] ?? result['prediction'] ?? result['logits']
      values.set(output?.data as Float32Array | Float64Array, row * network.outputs)
      labels.set(block.label.subarray(0, rows), row)
      row += rows
    }
  } finally {
    reader[Symbol.dispose]()
    await session.release()
  }
  return { scores: { rows: set.rows, width: network.outputs, values }, labels }
}

/** The served file's answers for raw rows, in their order; `also` sees every batch (for slices). */
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
  for await (const batch of batches) {
    signal.throwIfAborted()
    const answer = await predictor.predict(batch, signal)
    const found = answer.probabilities ?? answer.values
    if (found !== undefined) values.set(found, row * width)
    row += batch.rows
    also(batch)
  }
  if (row !== rows) throw new Error(`${row} rows were scored where ${rows} were split off`)
  return { rows, width, values }
}

function scoreArray(task: NetworkSpec['task'], length: number): Float32Array | Float64Array {
  return task === 'classification' ? new Float32Array(length) : new Float64Array(length)
}

/**
 * The largest difference of a row: absolute for probabilities, for regressions relative to the prediction where it is above
 * 1. `slack`, one a value, is what a difference may be beyond.
 */
export function largestDifference(a: Scores, b: Scores, isRelative: boolean, slack?: Float32Array): number {
  let difference = 0
  for (let i = 0; i < a.values.length; i++) {
    const x = a.values[i] ?? Number.NaN
    const y = b.values[i] ?? Number.NaN
    const apart = Math.abs(x - y) / (isRelative ? Math.max(1, Math.abs(x)) : 1)
    // a curve may be steep: what a difference before it that is allowed makes of the answer is allowed too
    const d = slack === undefined ? apart : apart <= (slack[i] ?? 0) ? 0 : apart
    if (!(d <= difference)) difference = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d
  }
  return difference
}
