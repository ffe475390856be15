/**
 * Shadows: versions that predict the rows of requests that were answered, so that they can be compared. They run after
 * the answer is sent, on their worker thread, from a queue of their own; rows that do not fit into it are left out and
 * counted. Whatever happens here, no request waits for it or fails by it.
 */
import { MillraceError } from '../core/errors.js'
import type { Schema } from '../core/schema.js'
import type { RecordBatch, Vector } from '../core/table.js'
import { Batcher } from './batcher.js'
import { sizeOf } from './log-rows.js'
import type { ServerLog } from './models.js'
import type { Predictions } from './predictor.js'
import type { ServedModel } from './served-model.js'
import type { Agreement, TrafficMetrics } from './traffic-metrics.js'

export interface ShadowOptions {
  /** The most rows, and about the most bytes, that wait for one shadow; defaults 10,000 and 64 MiB. */
  readonly maxQueue?: number
  readonly maxBytes?: number
  readonly logger?: ServerLog
}

export class Shadows {
  private readonly queues = new WeakMap<ServedModel, { readonly batcher: Batcher; bytes: number }>()
  private readonly under = new Set<Promise<void>>()

  constructor(
    private readonly metrics: TrafficMetrics,
    private readonly options: ShadowOptions = {},
  ) {}

  /**
   * Compares `shadow` with what `model` answered. Call when the answer is on its way; holds the shadow open at once, as
   * its alias may move while the rows wait; never throws.
   * @param read the request's rows for the shadow, where it has other inputs; may throw
   */
  compare(
    shadow: ServedModel,
    model: ServedModel,
    batch: RecordBatch,
    answer: Predictions,
    read: (shadow: ServedModel) => RecordBatch,
  ): void {
    if (batch.rows === 0) return
    shadow.acquire()
    const done = this.run(shadow, model, batch, answer, read)
      .catch((error: unknown) => this.missed(shadow, batch.rows, error))
      .finally(() => {
        shadow.release()
        this.under.delete(done)
      })
    this.under.add(done)
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.under.size > 0) await Promise.all(this.under)
  }

  private async run(
    shadow: ServedModel,
    model: ServedModel,
    batch: RecordBatch,
    answer: Predictions,
    read: (shadow: ServedModel) => RecordBatch,
  ): Promise<void> {
    const rows = projected(batch, shadow.metadata.inputs) ?? read(shadow)
    const queue = this.queue(shadow)
    const { maxBytes = 64 * 2 ** 20 } = this.options
    const bytes = sizeOf(rows.columns, 0, rows.rows)
    if (queue.bytes > 0 && queue.bytes + bytes > maxBytes)
      throw new MillraceError('MR_SERVER_BUSY', `${queue.bytes} bytes wait for the shadow; at most ${maxBytes} may`)
    queue.bytes += bytes
    const predictions = await queue.batcher.predict(rows).finally(() => (queue.bytes -= bytes))
    compare(this.metrics.agreement(shadow, model.version), model, answer, shadow, predictions)
  }

  private queue(shadow: ServedModel): { readonly batcher: Batcher; bytes: number } {
    let queue = this.queues.get(shadow)
    if (!queue) {
      const { predictor } = shadow
      const aside = {
        metadata: predictor.metadata,
        predict: (batch: RecordBatch) => predictor.predictAside(batch),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }
      queue = { batcher: new Batcher(aside, { maxQueue: this.options.maxQueue ?? 10_000 }), bytes: 0 }
      this.queues.set(shadow, queue)
    }
    return queue
  }

  private missed(shadow: ServedModel, rows: number, error: unknown): void {
    const dropped = error instanceof MillraceError && error.code === 'MR_SERVER_BUSY'
    const before = this.metrics.unshadowed(shadow, dropped ? 'dropped' : 'failed', rows)
    if (before > 0) return
    const what = `the shadow ${shadow.name} version ${shadow.version}`
    const why = dropped ? 'is slower than the requests come: rows are left out' : `failed: ${(error as Error).message}`
    this.options.logger?.('warn', `${what} ${why} (said once; /metrics counts)`)
  }
}

/** The batch with the columns of another model; undefined where it has not all of them in their types. */
function projected(batch: RecordBatch, inputs: Schema): RecordBatch | undefined {
  if (batch.schema === inputs) return batch
  const columns: Vector[] = []
  for (const { name, type } of inputs) {
    const at = batch.schema.findIndex((field) => field.name === name)
    if (at < 0 || batch.schema[at]?.type !== type) return undefined
    columns.push(batch.columns[at] as Vector)
  }
  return { schema: inputs, rows: batch.rows, columns }
}

/** Adds rows to an agreement. Probabilities are compared by the classes' names; a class that a model lacks is 0. */
export function compare(
  agreement: Agreement,
  model: Pick<ServedModel, 'metadata'>,
  answer: Predictions,
  shadow: Pick<ServedModel, 'metadata'>,
  predictions: Predictions,
): void {
  const { rows } = answer
  agreement.rows += rows
  if (answer.values && predictions.values) {
    for (let r = 0; r < rows; r++)
      agreement.difference += Math.abs((answer.values[r] as number) - (predictions.values[r] as number))
    return
  }
  const [mine, theirs] = [classesOf(model), classesOf(shadow)]
  const all = [...new Set([...mine, ...theirs])]
  const [a, b] = [all.map((name) => mine.indexOf(name)), all.map((name) => theirs.indexOf(name))]
  for (let r = 0; r < rows; r++) {
    if (answer.labels?.[r] !== predictions.labels?.[r]) agreement.disagreements++
    let sum = 0
    for (let c = 0; c < all.length; c++)
      sum += Math.abs(at(answer, r, a[c] as number, mine.length) - at(predictions, r, b[c] as number, theirs.length))
    agreement.difference += sum / all.length
  }
}

const classesOf = ({ metadata: { task } }: Pick<ServedModel, 'metadata'>): readonly string[] =>
  task.kind === 'classification' ? task.classes : []

const at = ({ probabilities }: Predictions, row: number, index: number, width: number): number =>
  index < 0 ? 0 : (probabilities?.[row * width + index] ?? 0)
