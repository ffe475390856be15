/** One open ONNX Runtime session of a model file: feeds in, Predictions out, on the thread that calls. */
import { InferenceSession, type Tensor } from 'onnxruntime-node'
import type { ModelMetadata } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { sessionOptions } from '../core/onnx/session.js'
import type { RecordBatch, Vector } from '../core/table.js'
import { FeedMaker } from './feeds.js'
import type { Predictions } from './predictor.js'

/** Rows of one run of ONNX Runtime: what a graph holds of a row in between may be many times the row. */
const ROWS_AT_ONCE = 4096

export class ModelSession {
  private readonly feedMaker: FeedMaker
  private readonly outputs: readonly string[]

  private constructor(
    private readonly session: InferenceSession,
    private readonly metadata: ModelMetadata,
  ) {
    this.feedMaker = new FeedMaker(metadata.inputs)
    this.outputs = metadata.task.kind === 'regression' ? ['prediction'] : ['label', 'probability']
  }

  /** @param bytes of a file that readModelFile accepted. Throws MR_MODEL_FILE_LOAD where ONNX Runtime refuses it. */
  static async open(bytes: Uint8Array, metadata: ModelMetadata, threads: number): Promise<ModelSession> {
    try {
      const session = await InferenceSession.create(bytes, sessionOptions(threads))
      return new ModelSession(session, metadata)
    } catch (cause) {
      throw new MillraceError(
        'MR_MODEL_FILE_LOAD',
        `ONNX Runtime cannot open the model file of "${metadata.name}": ${(cause as Error).message}`,
        { cause },
      )
    }
  }

  /** In runs of at most ROWS_AT_ONCE rows. The batch's arrays must not change until the promise settles. Throws MR_PREDICT_COLUMN and MR_PREDICT_FAILED. */
  async run(batch: RecordBatch): Promise<Predictions> {
    if (batch.rows === 0) return this.empty()
    if (batch.rows <= ROWS_AT_ONCE) return this.runWhole(batch)
    const pieces: Predictions[] = []
    for (const piece of inPieces(batch)) pieces.push(await this.runWhole(piece))
    return joined(pieces)
  }

  async release(): Promise<void> {
    await this.session.release()
  }

  private async runWhole(batch: RecordBatch): Promise<Predictions> {
    const feeds = this.feedMaker.feeds(batch)
    let results: InferenceSession.OnnxValueMapType
    try {
      results = await this.session.run(feeds, this.outputs)
    } catch (cause) {
      throw this.failed((cause as Error).message, cause)
    }
    return this.predictions(batch.rows, results)
  }

  private empty(): Predictions {
    return this.metadata.task.kind === 'regression'
      ? { rows: 0, values: new Float32Array(0) }
      : { rows: 0, labels: [], probabilities: new Float32Array(0) }
  }

  private predictions(rows: number, results: Readonly<Record<string, Tensor>>): Predictions {
    const { task } = this.metadata
    if (task.kind === 'regression') {
      const values = results['prediction']?.data as Float32Array | Float64Array
      this.expect('prediction', values.length, rows)
      return { rows, values }
    }
    const labels = results['label']?.data as string[]
    const probabilities = results['probability']?.data as Float32Array
    this.expect('label', labels.length, rows)
    this.expect('probability', probabilities.length, rows * task.classes.length)
    return { rows, labels, probabilities }
  }

  private expect(output: string, found: number, wanted: number): void {
    if (found !== wanted)
      throw this.failed(`its output "${output}" has ${found} values where the contract asks for ${wanted}`)
  }

  private failed(why: string, cause?: unknown): MillraceError {
    return new MillraceError('MR_PREDICT_FAILED', `the model "${this.metadata.name}" failed: ${why}`, { cause })
  }
}

/** Of about the same length, none longer than ROWS_AT_ONCE. */
function* inPieces({ schema, rows, columns }: RecordBatch): Generator<RecordBatch> {
  const pieces = Math.ceil(rows / ROWS_AT_ONCE)
  for (let i = 0; i < pieces; i++) {
    const [from, to] = [Math.floor((rows * i) / pieces), Math.floor((rows * (i + 1)) / pieces)]
    const piece = columns.map((column): Vector =>
      column instanceof Float64Array || column instanceof BigInt64Array
        ? column.subarray(from, to)
        : column.slice(from, to),
    )
    yield { schema, rows: to - from, columns: piece }
  }
}

function joined(pieces: readonly Predictions[]): Predictions {
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0)
  const [first] = pieces
  if (first?.values !== undefined) {
    const values = first.values instanceof Float64Array ? new Float64Array(rows) : new Float32Array(rows)
    let at = 0
    for (const piece of pieces) {
      values.set(piece.values ?? [], at)
      at += piece.rows
    }
    return { rows, values }
  }
  const width = (first?.probabilities?.length ?? 0) / (first?.rows ?? 1)
  const probabilities = new Float32Array(rows * width)
  let at = 0
  for (const piece of pieces) {
    probabilities.set(piece.probabilities ?? [], at * width)
    at += piece.rows
  }
  return { rows, labels: pieces.flatMap(({ labels = [] }) => labels), probabilities }
}
