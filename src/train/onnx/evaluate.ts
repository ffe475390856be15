/** Loss and metrics of a network on a split, in double precision from float32 logits. */
import { MillraceError } from '../../core/errors.js'
import type { NetworkSpec } from '../trainer.js'
import type { ShardReader } from '../shard-reader.js'
import type { EvaluationSession } from './sessions.js'

const ROWS = 4096

export interface Evaluated {
  /** Mean over rows, weighted by class if the job weights classes; squared error in the network's unit. */
  readonly loss: number
  /** accuracy, or rmse in the target's unit. Rows count alike. */
  readonly metrics: Readonly<Record<string, number>>
  /** Sum of the rows' weights; 0 if there is nothing to evaluate. */
  readonly weight: number
}

export interface LabelScale {
  readonly classWeights?: readonly number[]
  readonly mean: number
  readonly scale: number
}

/** Goes through the split in shard order. `cancelled` is asked between chunks; true ends it early. */
export async function evaluateSplit(
  session: EvaluationSession,
  parameters: Float32Array,
  reader: ShardReader,
  spec: NetworkSpec,
  scale: LabelScale,
  cancelled: () => boolean,
): Promise<Evaluated> {
  let total = 0
  let weight = 0
  let hits = 0
  let squares = 0
  for (const { rows, values } of reader.chunks(ROWS)) {
    if (cancelled()) break
    const logits = await session.run(parameters, values, rows)
    for (let row = 0; row < rows; row++) {
      const label = values.label[row] as number
      if (spec.task === 'regression') {
        const error = (logits[row] as number) - (label - scale.mean) / scale.scale
        total += error * error
        squares += (error * scale.scale) ** 2
        weight++
        continue
      }
      if (!(label >= 0 && label < spec.outputs))
        throw new MillraceError('MR_SHARD_VALUE', `a label is ${label}; there are ${spec.outputs} classes`)
      const { loss, top } = rowCrossEntropy(logits, row * spec.outputs, spec.outputs, label)
      const rowWeight = scale.classWeights?.[label] ?? 1
      total += rowWeight * loss
      weight += rowWeight
      if (top === label) hits++
    }
  }
  const { rows } = reader.set
  const metrics = spec.task === 'regression' ? { rmse: Math.sqrt(squares / rows) } : { accuracy: hits / rows }
  return { loss: total / weight, metrics, weight }
}

/** -log softmax(logits)[label], and the first class of the highest logit. */
function rowCrossEntropy(
  logits: Float32Array,
  at: number,
  classes: number,
  label: number,
): { readonly loss: number; readonly top: number } {
  let top = 0
  for (let k = 1; k < classes; k++) if ((logits[at + k] as number) > (logits[at + top] as number)) top = k
  const highest = logits[at + top] as number
  let sum = 0
  for (let k = 0; k < classes; k++) sum += Math.exp((logits[at + k] as number) - highest)
  return { loss: highest + Math.log(sum) - (logits[at + label] as number), top }
}
