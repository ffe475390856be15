/** Fills the inputs of a call: rows in the epoch's order, their weights, the schedule, dropout's offsets. */
import { Rng } from '../../core/rng.js'
import type { EpochReader } from '../epoch-reader.js'
import type { LabelSummary } from '../job.js'
import type { EpochOrder } from '../order.js'
import type { Rows } from '../shard-reader.js'
import type { TrainJob } from '../trainer.js'
import { stepScalars } from './optimizer.js'
import type { StepBlock } from './sessions.js'

/** Length of the pool of dropout's factors, or twice the largest mask if that is more. */
const POOL = 2 ** 20
/** Most steps of a call, and most bytes of their rows. */
const MOST_STEPS = 256
const MOST_BYTES = 2 ** 25

/** 0 with probability `dropout`, else 1/(1-dropout): inverted dropout (Srivastava et al., 2014). */
export function dropoutPool(job: TrainJob, size: number): Float32Array {
  const { dropout } = job.params
  const rng = new Rng(job.seed, 4)
  const limit = dropout * 2 ** 32
  return Float32Array.from({ length: size }, () => (rng.uint32() < limit ? 0 : 1 / (1 - dropout)))
}

export class StepFiller {
  /** Rows of a step: the job's batch size, or all rows if they are fewer. */
  readonly batch: number
  readonly stepsPerEpoch: number
  /** Most steps of a call. */
  readonly capacity: number
  /** 0 without dropout. */
  readonly poolSize: number
  readonly block: StepBlock
  readonly #rows: Rows

  constructor(
    private readonly job: TrainJob,
    private readonly labels: LabelSummary,
    private readonly reader: EpochReader,
    private readonly order: (epoch: number) => EpochOrder,
    rowBytes: number,
  ) {
    const { network, params, train } = job
    this.batch = Math.min(params.batchSize, train.rows)
    this.stepsPerEpoch = Math.ceil(train.rows / this.batch)
    const fit = Math.floor(MOST_BYTES / (this.batch * rowBytes))
    this.capacity = Math.max(1, Math.min(MOST_STEPS, fit, this.stepsPerEpoch))
    const largest = this.batch * Math.max(0, ...network.hidden)
    this.poolSize = params.dropout > 0 && largest > 0 ? Math.max(POOL, 2 * largest) : 0
    const rows = this.capacity * this.batch
    const floats = (length: number): Float32Array => new Float32Array(length)
    this.block = {
      numeric: floats(rows * network.numeric),
      categories: new Int32Array(rows * network.categories.length),
      labels: train.label === 'int32' ? new Int32Array(rows) : floats(rows),
      weights: floats(rows),
      rate: floats(this.capacity),
      epsilon: floats(this.capacity),
      decay: floats(this.capacity),
      offsets: new BigInt64Array(this.capacity * network.hidden.length),
    }
    this.#rows = { numeric: this.block.numeric, categories: this.block.categories, label: this.block.labels }
  }

  begin(epoch: number): void {
    this.reader.rewind(this.order(epoch))
  }

  /**
   * Steps `step` … of the epoch, `done` being the steps of all epochs before them. Gives each step's weight: the sum
   * of its rows' class weights. A last step that is not full is filled up with zeros, at weight 0.
   */
  fill(step: number, steps: number, done: number): Float64Array {
    const { batch } = this
    const first = step * batch
    const rows = Math.min(steps * batch, this.job.train.rows - first)
    this.reader.take(first, rows, this.#rows)
    const { numeric, categories, labels } = this.block
    const { network } = this.job
    numeric.fill(0, rows * network.numeric, steps * batch * network.numeric)
    categories.fill(0, rows * network.categories.length, steps * batch * network.categories.length)
    labels.fill(0, rows, steps * batch)
    if (labels instanceof Float32Array)
      for (let i = 0; i < rows; i++) labels[i] = ((labels[i] as number) - this.labels.mean) / this.labels.scale
    const totals = this.#weigh(rows, steps)
    for (let i = 0; i < steps; i++) this.#schedule(i, done + i)
    return totals
  }

  #weigh(rows: number, steps: number): Float64Array {
    const { batch, block } = this
    const { classWeights } = this.job.params
    const totals = new Float64Array(steps)
    for (let i = 0; i < steps; i++) {
      const end = Math.min((i + 1) * batch, rows)
      let total = 0
      for (let row = i * batch; row < end; row++) total += classWeights?.[block.labels[row] as number] ?? 1
      // A step of weight 0 (all its rows of a class of weight 0) has no loss and no gradient.
      const scale = total > 0 ? 1 / total : 0
      for (let row = i * batch; row < end; row++)
        block.weights[row] = (classWeights?.[block.labels[row] as number] ?? 1) * scale
      block.weights.fill(0, end, (i + 1) * batch)
      totals[i] = total
    }
    return totals
  }

  #schedule(at: number, step: number): void {
    const { params, network, seed } = this.job
    const { rate, epsilon, decay } = stepScalars(params, step, params.maxEpochs * this.stepsPerEpoch)
    this.block.rate[at] = rate
    this.block.epsilon[at] = epsilon
    this.block.decay[at] = decay
    if (this.poolSize === 0) return
    for (const [layer, width] of network.hidden.entries()) {
      const offset = new Rng(seed, 3, step, layer).below(this.poolSize - this.batch * width + 1)
      this.block.offsets[at * network.hidden.length + layer] = BigInt(offset)
    }
  }
}
