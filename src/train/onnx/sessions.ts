/** The two ONNX Runtime sessions of a training job, and typed calls to them. Runs block their thread. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { sessionOptions } from '../../core/onnx/session.js'
import type { NetworkSpec } from '../trainer.js'
import { categoryOffsets, parameterCount } from './network.js'
import { evaluationGraph, trainingGraph, type TrainingGraphOptions } from './training-graph.js'

/** The steps of one call, filled by the caller up to `steps`. */
export interface StepBlock {
  readonly numeric: Float32Array
  readonly categories: Int32Array
  readonly labels: Int32Array | Float32Array
  readonly weights: Float32Array
  readonly rate: Float32Array
  readonly epsilon: Float32Array
  readonly decay: Float32Array
  readonly offsets: BigInt64Array
}

export interface Vectors {
  readonly parameters: Float32Array
  readonly first: Float32Array
  readonly second: Float32Array
}

export class TrainingSession {
  readonly #indices: Int32Array
  readonly #pool: Tensor | undefined

  private constructor(
    private readonly session: InferenceSession,
    private readonly spec: NetworkSpec,
    private readonly options: TrainingGraphOptions,
    pool: Float32Array,
    steps: number,
  ) {
    this.#indices = new Int32Array(2 * steps * options.batch * spec.categories.length)
    this.#pool = options.pool > 0 && spec.hidden.length > 0 ? new Tensor('float32', pool, [pool.length]) : undefined
  }

  /** @param pool dropout's factors, `options.pool` of them; @param steps the most steps of a call */
  static async create(
    spec: NetworkSpec,
    options: TrainingGraphOptions,
    pool: Float32Array,
    steps: number,
    threads: number,
  ): Promise<TrainingSession> {
    const session = await InferenceSession.create(trainingGraph(spec, options), sessionOptions(threads))
    return new TrainingSession(session, spec, options, pool, steps)
  }

  /** Runs the first `steps` steps of the block. The new vectors, and the loss of each step before its update. */
  async run(vectors: Vectors, block: StepBlock, steps: number): Promise<Vectors & { readonly losses: Float32Array }> {
    const { batch } = this.options
    const { numeric, categories, hidden, task } = this.spec
    const rows = steps * batch
    const vector = (data: Float32Array): Tensor => new Tensor('float32', data, [data.length])
    const perStep = (data: Float32Array): Tensor => new Tensor('float32', data.subarray(0, steps), [steps])
    const columns = categories.length
    const feeds: Record<string, Tensor> = {
      parameters: vector(vectors.parameters),
      first: vector(vectors.first),
      second: vector(vectors.second),
      steps: new Tensor('int64', BigInt64Array.of(BigInt(steps)), []),
      weights: new Tensor('float32', block.weights.subarray(0, rows), [steps, batch]),
      labels:
        task === 'classification'
          ? new Tensor('int32', (block.labels as Int32Array).subarray(0, rows), [steps, batch])
          : new Tensor('float32', (block.labels as Float32Array).subarray(0, rows), [steps, batch]),
      rate: perStep(block.rate),
      epsilon: perStep(block.epsilon),
      decay: perStep(block.decay),
    }
    if (numeric > 0)
      feeds['numeric'] = new Tensor('float32', block.numeric.subarray(0, rows * numeric), [steps, batch, numeric])
    if (columns > 0)
      feeds['categories'] = offsetIndices(this.spec, block.categories, rows, this.#indices, [steps, batch, columns])
    if (this.#pool) {
      feeds['pool'] = this.#pool
      feeds['offsets'] = new Tensor('int64', block.offsets.subarray(0, steps * hidden.length), [steps, hidden.length])
    }
    const out = await this.session.run(feeds)
    const result = {
      parameters: floatsOf(out, 'parameters_out'),
      first: floatsOf(out, 'first_out'),
      second: floatsOf(out, 'second_out'),
      losses: floatsOf(out, 'losses'),
    }
    return result
  }

  async release(): Promise<void> {
    await this.session.release()
  }
}

export class EvaluationSession {
  #indices = new Int32Array(0)

  private constructor(
    private readonly session: InferenceSession,
    private readonly spec: NetworkSpec,
  ) {}

  static async create(spec: NetworkSpec, threads: number): Promise<EvaluationSession> {
    return new EvaluationSession(await InferenceSession.create(evaluationGraph(spec), sessionOptions(threads)), spec)
  }

  /** Logits [rows, outputs], row-major, of the first `rows` rows. */
  async run(
    parameters: Float32Array,
    values: { readonly numeric: Float32Array; readonly categories: Int32Array },
    rows: number,
  ): Promise<Float32Array> {
    const { numeric, categories } = this.spec
    if (parameters.length !== parameterCount(this.spec)) throw new RangeError(`${parameters.length} parameters`)
    const feeds: Record<string, Tensor> = { parameters: new Tensor('float32', parameters, [parameters.length]) }
    if (numeric > 0)
      feeds['numeric'] = new Tensor('float32', values.numeric.subarray(0, rows * numeric), [rows, numeric])
    if (categories.length > 0) {
      const needed = 2 * rows * categories.length
      if (this.#indices.length < needed) this.#indices = new Int32Array(needed)
      feeds['categories'] = offsetIndices(this.spec, values.categories, rows, this.#indices, [rows, categories.length])
    }
    return floatsOf(await this.session.run(feeds), 'logits')
  }

  async release(): Promise<void> {
    await this.session.release()
  }
}

/** Indices within their columns to int64 rows of the first layer's matrix, through the low words of `scratch`. */
function offsetIndices(
  spec: NetworkSpec,
  indices: Int32Array,
  rows: number,
  scratch: Int32Array,
  dims: readonly number[],
): Tensor {
  const offsets = categoryOffsets(spec)
  const columns = offsets.length
  for (let i = 0, at = 0; i < rows; i++)
    for (let j = 0; j < columns; j++, at++) scratch[2 * at] = (indices[at] as number) + (offsets[j] as number)
  return new Tensor('int64', new BigInt64Array(scratch.buffer, 0, rows * columns), dims)
}

function floatsOf(outputs: InferenceSession.OnnxValueMapType, name: string): Float32Array {
  return (outputs[name] as Tensor).data as Float32Array
}
