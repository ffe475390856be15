/**
 * The training graph follows PyTorch: same weights, rows and masks, same losses. The first 50 within 1e-5; later, where
 * rounding alone drives single batches apart, the mean of each epoch within 1e-3. Recorded by
 * test/golden/record/torch_training.py.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { NetworkSpec, TrainParams } from '../trainer.js'
import { parameterCount } from './network.js'
import { stepScalars } from './optimizer.js'
import { type StepBlock, TrainingSession } from './sessions.js'

interface Recorded {
  readonly case: {
    readonly numeric: number
    readonly categories: readonly number[]
    readonly hidden: readonly number[]
    readonly outputs: number
    readonly task: 'classification' | 'regression'
    readonly learningRate: number
    readonly weightDecay: number
    readonly clipNorm: number
    readonly dropout: number
    readonly schedule: TrainParams['schedule']
    readonly warmup: number
    readonly classWeights: readonly number[] | null
  }
  readonly rows: number
  readonly batch: number
  readonly steps: number
  readonly pool: number
  readonly numeric: readonly (readonly number[])[]
  readonly categories: readonly (readonly number[])[]
  readonly labels: readonly number[]
  readonly weights: readonly number[]
  readonly losses: readonly number[]
  readonly epochMeans: readonly number[]
}

const folder = fileURLToPath(new URL('../../../test/golden/torch/', import.meta.url))
const CASES = readdirSync(folder).filter((name) => name.endsWith('.json'))

/** All steps of a recorded case as one call's inputs, by the rules in the recording script. */
function blockOf({ case: c, rows, batch, steps, numeric, categories, labels }: Recorded): StepBlock {
  const order = Array.from({ length: steps * batch }, (_, at) => {
    const step = Math.floor(at / batch)
    return (7 * at + 3 * Math.floor(step / (rows / batch))) % rows
  })
  const scalars = Array.from({ length: steps }, (_, step) => stepScalars(c, step, steps))
  const weights = new Float32Array(order.length)
  for (let step = 0; step < steps; step++) {
    const own = order.slice(step * batch, (step + 1) * batch).map((row) => c.classWeights?.[labels[row] as number] ?? 1)
    const total = own.reduce((sum, weight) => sum + weight, 0)
    own.forEach((weight, i) => (weights[step * batch + i] = weight / total))
  }
  const ordered = order.map((row) => labels[row] as number)
  return {
    numeric: Float32Array.from(order.flatMap((row) => numeric[row] ?? [])),
    categories: Int32Array.from(order.flatMap((row) => categories[row] ?? [])),
    labels: c.task === 'regression' ? Float32Array.from(ordered) : Int32Array.from(ordered),
    weights,
    rate: Float32Array.from(scalars, ({ rate }) => rate),
    epsilon: Float32Array.from(scalars, ({ epsilon }) => epsilon),
    decay: Float32Array.from(scalars, ({ decay }) => decay),
    offsets: BigInt64Array.from(
      scalars.flatMap((_, step) => c.hidden.map((_width, layer) => BigInt((step * 97 + layer * 31) % 1024))),
    ),
  }
}

describe('training like PyTorch', () => {
  test('all recorded cases are here', () => {
    expect(CASES).toHaveLength(12)
  })

  test.each(CASES)('%s', async (file) => {
    const recorded = JSON.parse(readFileSync(folder + file, 'utf8')) as Recorded
    const { case: c, batch, steps } = recorded
    const spec: NetworkSpec = c
    const size = c.dropout > 0 ? recorded.pool : 0
    const pool = Float32Array.from({ length: size }, (_, k) =>
      Math.imul(k, 2654435761) >>> 0 < c.dropout * 2 ** 32 ? 0 : 1 / (1 - c.dropout),
    )
    const options = { batch, pool: size, clipNorm: c.clipNorm, weightDecay: c.weightDecay }
    const session = await TrainingSession.create(spec, options, pool, steps, 1)
    const weights = Float32Array.from(recorded.weights)
    expect(weights).toHaveLength(parameterCount(spec))
    const zeros = new Float32Array(weights.length)
    const state = { parameters: weights, first: zeros, second: zeros }
    const found = await session.run(state, blockOf(recorded), steps)
    await session.release()

    const losses = [...found.losses]
    const worst = Math.max(...recorded.losses.map((loss, step) => Math.abs(loss - (losses[step] as number))))
    expect(worst, 'largest difference among the first 50 losses').toBeLessThan(1e-5)
    const perEpoch = recorded.rows / batch
    for (const [epoch, mean] of recorded.epochMeans.entries()) {
      const own = losses.slice(epoch * perEpoch, (epoch + 1) * perEpoch).reduce((sum, loss) => sum + loss, 0) / perEpoch
      expect(Math.abs(own - mean), `mean loss of epoch ${epoch}`).toBeLessThan(1e-3)
    }
  })
})
