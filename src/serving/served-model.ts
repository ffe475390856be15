/** One model version that answers requests, and lives until the last request that began on it is answered. */
import type { ModelMetadata } from '../core/documents.js'
import { Batcher, type BatcherOptions } from './batcher.js'
import { type OnnxPredictor, openPredictor, type PredictorOptions } from './onnx-predictor.js'
import { ReplyWriter } from './replies.js'
import { type RowOptions, RowReader } from './rows.js'

export interface ServingOptions extends PredictorOptions, BatcherOptions, RowOptions {}

export class ServedModel {
  private leases = 0
  private unused: (() => void) | undefined
  readonly metadata: ModelMetadata
  readonly reader: RowReader
  readonly batcher: Batcher
  readonly replies: ReplyWriter
  /** The version as a header can carry it: percent-encoded UTF-8 where it is no plain text. */
  readonly versionHeader: string

  private constructor(
    readonly name: string,
    /** The registry's number, or for a file the version in its metadata. */
    readonly version: string,
    readonly predictor: OnnxPredictor,
    options: ServingOptions,
  ) {
    this.metadata = predictor.metadata
    const { inputs, leftOut = [], windows = [] } = this.metadata
    this.reader = new RowReader(inputs, { ...options, leftOut, windows })
    this.batcher = new Batcher(predictor, options)
    // lone surrogates, which cannot be encoded, become U+FFFD on the way through UTF-8
    this.versionHeader = encodeURIComponent(Buffer.from(version).toString())
    this.replies = new ReplyWriter(this.metadata, name, version)
  }

  /** Opens and warms a version. `name` and `version` default to those of the file. Throws MR_MODEL_FILE_*. */
  static async open(bytes: Uint8Array, options: ServingOptions, name?: string, version?: string): Promise<ServedModel> {
    const predictor = await openPredictor(bytes, options)
    return new ServedModel(name ?? predictor.metadata.name, version ?? predictor.metadata.version, predictor, options)
  }

  /** Keeps this version open until `release`; take and release in one request. */
  acquire(): this {
    this.leases++
    return this
  }

  release(): void {
    if (--this.leases === 0) this.unused?.()
  }

  /** Waits for the requests that hold it, then closes. Call after no new request can find it. */
  async retire(): Promise<void> {
    if (this.leases > 0) await new Promise<void>((resolve) => (this.unused = resolve))
    await this.batcher.stop()
    await this.predictor[Symbol.asyncDispose]()
  }
}
