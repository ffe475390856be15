/** The worker thread of a predictor: opens its own session of the model file and answers batches in order. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ModelMetadata } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import type { RecordBatch } from '../core/table.js'
import type { Predictions } from './predictor.js'
import { ModelSession } from './session.js'

export interface ThreadData {
  readonly bytes: Uint8Array
  readonly metadata: ModelMetadata
  readonly threads: number
}

export interface ThreadRequest {
  readonly id: number
  readonly batch: RecordBatch
}

export type ThreadReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number; readonly predictions: Predictions }
  | { readonly kind: 'failed'; readonly id: number; readonly code: string; readonly message: string }

const port = parentPort
if (port) {
  const { bytes, metadata, threads } = workerData as ThreadData
  const session = await ModelSession.open(bytes, metadata, threads)
  port.on('message', ({ id, batch }: ThreadRequest) => {
    session.run(batch).then(
      (predictions) => port.postMessage({ kind: 'done', id, predictions } satisfies ThreadReply),
      (error: unknown) => {
        const code = error instanceof MillraceError ? error.code : 'MR_PREDICT_FAILED'
        port.postMessage({ kind: 'failed', id, code, message: (error as Error).message } satisfies ThreadReply)
      },
    )
  })
  port.postMessage({ kind: 'ready' } satisfies ThreadReply)
}
