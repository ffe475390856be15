/**
 * The same bytes for any number of threads, at sizes where ONNX Runtime really splits the work (small graphs run on one
 * thread whatever is asked): everything on, dropout, clipping, weight decay, small and large category columns.
 */
import { expect, test } from 'vitest'
import { Rng } from '../../core/rng.js'
import type { NetworkSpec } from '../trainer.js'
import { initialWeights } from './network.js'
import { TrainingSession } from './sessions.js'

const BATCH = 1024
const STEPS = 6

async function train(spec: NetworkSpec, threads: number): Promise<string> {
  const rng = new Rng(1)
  const rows = BATCH * STEPS
  const pool = Float32Array.from({ length: 2 ** 19 }, () => (rng.uniform() < 0.2 ? 0 : 1.25))
  const options = { batch: BATCH, pool: pool.length, clipNorm: 0.1, weightDecay: 0.01 }
  const session = await TrainingSession.create(spec, options, pool, STEPS, threads)
  const parameters = initialWeights(spec, 1)
  const zeros = new Float32Array(parameters.length)
  const block = {
    numeric: Float32Array.from({ length: rows * spec.numeric }, () => rng.normal()),
    // few values, so that many rows add to the same place
    categories: Int32Array.from({ length: rows * spec.categories.length }, () => rng.below(2)),
    labels: Int32Array.from({ length: rows }, () => rng.below(2)),
    weights: new Float32Array(rows).fill(1 / BATCH),
    rate: new Float32Array(STEPS).fill(0.01),
    epsilon: new Float32Array(STEPS).fill(1e-8),
    decay: new Float32Array(STEPS).fill(1e-4),
    offsets: BigInt64Array.from({ length: STEPS * spec.hidden.length }, () => BigInt(rng.below(2 ** 18))),
  }
  const out = await session.run({ parameters, first: zeros, second: zeros }, block, STEPS)
  await session.release()
  return [out.parameters, out.first, out.second, out.losses]
    .map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength).toString('base64'))
    .join()
}

test.each<[string, NetworkSpec]>([
  ['small categories', { numeric: 30, categories: [3, 4], hidden: [256, 128], outputs: 2, task: 'classification' }],
  ['large categories', { numeric: 30, categories: [300, 200], hidden: [256, 128], outputs: 2, task: 'classification' }],
])('the same bytes on one, two and three threads: %s', async (_, spec) => {
  const one = await train(spec, 1)
  for (const threads of [2, 3, 2]) expect((await train(spec, threads)) === one, `${threads} threads`).toBe(true)
})
