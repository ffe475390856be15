/** The predictor of a model file: short batches on the calling thread, long ones on a worker thread. */
import type { ModelMetadata } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { INPUT_TYPE } from '../core/onnx/graph.js'
import { type Field, MISSING_TIME } from '../core/schema.js'
import type { RecordBatch, Vector } from '../core/table.js'
import { readModelFile } from './model-file.js'
import { PredictionWorker } from './prediction-worker.js'
import type { Predictions, Predictor } from './predictor.js'
import { ModelSession } from './session.js'

export interface PredictorOptions {
  /** Threads inside ONNX Runtime for one run; default 1. */
  readonly threads?: number
  /** Moves batches that would hold the event loop for more than about a millisecond to a worker thread. */
  readonly worker?: boolean
  /** With `worker`: the most rows that run on the calling thread; default: measured on opening. */
  readonly inlineRows?: number
}

/** A run on the calling thread may take this long, in milliseconds. */
const INLINE_MS = 1
const WARM_ROWS = 64

/**
 * Opens a model file for predictions, warmed by a few runs on rows of missing values.
 * @throws MR_MODEL_FILE_* as readModelFile does, MR_MODEL_FILE_LOAD where ONNX Runtime refuses it
 */
export async function openPredictor(bytes: Uint8Array, options: PredictorOptions = {}): Promise<OnnxPredictor> {
  const { metadata, digest } = readModelFile(bytes)
  const threads = options.threads ?? 1
  const session = await ModelSession.open(bytes, metadata, threads)
  try {
    const measured = await warm(session, metadata)
    const worker = options.worker ? await PredictionWorker.start({ bytes, metadata, threads }) : undefined
    return new OnnxPredictor(metadata, digest, session, worker, options.inlineRows ?? measured)
  } catch (error) {
    await session.release()
    throw error
  }
}

export class OnnxPredictor implements Predictor {
  private running = 0
  private closing: Promise<void> | undefined
  private idle: (() => void) | undefined

  constructor(
    readonly metadata: ModelMetadata,
    readonly digest: `sha256:${string}`,
    private readonly session: ModelSession,
    /** Undefined: everything runs on the calling thread. */
    readonly worker: PredictionWorker | undefined,
    /** Batches of more rows go to the worker. */
    readonly inlineRows: number,
  ) {}

  /**
   * The batch's arrays must not change until the promise settles. Throws MR_PREDICT_COLUMN, MR_PREDICT_FAILED,
   * MR_PREDICT_WORKER, MR_CANCELLED (signal fired before the run began), MR_SERVER_STOPPING (closed).
   */
  async predict(batch: RecordBatch, signal?: AbortSignal): Promise<Predictions> {
    return this.run(batch, this.inlineRows, signal)
  }

  /** As `predict`, but short batches too go to the worker, where there is one: for rows that nobody waits for. */
  async predictAside(batch: RecordBatch): Promise<Predictions> {
    return this.run(batch, 0)
  }

  private async run(batch: RecordBatch, inline: number, signal?: AbortSignal): Promise<Predictions> {
    if (this.closing) throw new MillraceError('MR_SERVER_STOPPING', `the model "${this.metadata.name}" is closed`)
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', 'the prediction was cancelled')
    this.running++
    try {
      if (this.worker?.usable && batch.rows > inline) return await this.worker.predict(batch)
      return await this.session.run(batch)
    } finally {
      if (--this.running === 0) this.idle?.()
    }
  }

  /** Waits for predictions under way, then frees the model's memory. */
  [Symbol.asyncDispose](): Promise<void> {
    this.closing ??= this.close()
    return this.closing
  }

  private async close(): Promise<void> {
    if (this.running > 0) await new Promise<void>((resolve) => (this.idle = resolve))
    await this.worker?.close()
    await this.session.release()
  }
}

/** Runs until ONNX Runtime's memory is set up; returns how many rows fit into INLINE_MS. */
async function warm(session: ModelSession, metadata: ModelMetadata): Promise<number> {
  const one = missingRows(metadata.inputs, 1)
  const many = missingRows(metadata.inputs, WARM_ROWS)
  const time = async (batch: RecordBatch): Promise<number> => {
    let best = Infinity
    for (let i = 0; i < 5; i++) {
      const start = performance.now()
      await session.run(batch)
      best = Math.min(best, performance.now() - start)
    }
    return best
  }
  const base = await time(one)
  const perRow = Math.max(1e-6, ((await time(many)) - base) / (WARM_ROWS - 1))
  return Math.min(4096, Math.max(1, Math.floor((INLINE_MS - base) / perRow)))
}

/** A batch of rows without a value. */
export function missingRows(schema: readonly Field[], rows: number): RecordBatch {
  return { schema, rows, columns: schema.map((field) => missingColumn(field, rows)) }
}

function missingColumn({ type }: Field, rows: number): Vector {
  const element = INPUT_TYPE[type]
  if (element === 'double') return new Float64Array(rows).fill(NaN)
  return element === 'int64' ? new BigInt64Array(rows).fill(MISSING_TIME) : new Array<string>(rows).fill('')
}
