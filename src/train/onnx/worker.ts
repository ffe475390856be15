/** The worker thread of the embedded trainer: gets a job, posts events and waits for each answer, posts the result. */
import { parentPort, workerData } from 'node:worker_threads'
import { MillraceError, type ErrorCode } from '../../core/errors.js'
import type { TrainEvent, TrainedModel, TrainJob } from '../trainer.js'
import { fitNetwork } from './fit.js'

export interface WorkerJob {
  readonly job: TrainJob
  /** One int32, shared: not 0 once training is cancelled. */
  readonly cancel: SharedArrayBuffer
}

/** An error as it crosses the thread: structured clone would lose its code. */
export interface WorkerError {
  readonly code: ErrorCode
  readonly message: string
  readonly hint?: string
}

export type WorkerMessage =
  | { readonly kind: 'event'; readonly event: TrainEvent }
  | { readonly kind: 'done'; readonly model: TrainedModel }
  | { readonly kind: 'failed'; readonly error: WorkerError }

async function main(port: NonNullable<typeof parentPort>): Promise<void> {
  const { job, cancel } = workerData as WorkerJob
  const flag = new Int32Array(cancel)
  const post = (message: WorkerMessage): void => port.postMessage(message)
  const report = (event: TrainEvent): Promise<'continue' | 'stop'> =>
    new Promise((resolve) => {
      port.once('message', resolve)
      post({ kind: 'event', event })
    })
  try {
    post({ kind: 'done', model: await fitNetwork(job, { report, cancelled: () => Atomics.load(flag, 0) !== 0 }) })
  } catch (error) {
    post({ kind: 'failed', error: portable(error) })
  }
  port.close()
}

function portable(error: unknown): WorkerError {
  if (error instanceof MillraceError)
    return { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }
  return { code: 'MR_TRAIN_FAILED', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}

if (parentPort) await main(parentPort)
