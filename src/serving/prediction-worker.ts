/** A worker thread that predicts long batches, so that the event loop stays free. One that dies is replaced. */
import type { Worker } from 'node:worker_threads'
import { type ErrorCode, MillraceError } from '../core/errors.js'
import type { RecordBatch } from '../core/table.js'
import { startWorker } from '../core/worker.js'
import type { ThreadData, ThreadReply, ThreadRequest } from './predict-thread.js'
import type { Predictions } from './predictor.js'

/** A thread that ends this often without having answered once is not started again. */
const MAX_START_FAILURES = 3

interface Waiting {
  readonly resolve: (predictions: Predictions) => void
  readonly reject: (error: MillraceError) => void
}

export class PredictionWorker {
  private thread: Worker | undefined
  private readonly waiting = new Map<number, Waiting>()
  private nextId = 0
  private startFailures = 0
  private closed = false
  /** Threads that ended on their own. */
  deaths = 0

  private constructor(private readonly data: ThreadData) {}

  /** Returns when the thread has its session open. Throws MR_PREDICT_WORKER where it cannot. */
  static async start(data: ThreadData): Promise<PredictionWorker> {
    const worker = new PredictionWorker(data)
    await worker.spawn()
    return worker
  }

  /** False after the thread died again and again: predict on the calling thread then. */
  get usable(): boolean {
    return !this.closed && this.thread !== undefined
  }

  /** Throws what the session threw, or MR_PREDICT_WORKER (retryable) where the thread ended before it answered. */
  predict(batch: RecordBatch): Promise<Predictions> {
    const { thread } = this
    if (!thread || this.closed) return Promise.reject(died('is not running'))
    return new Promise((resolve, reject) => {
      const id = this.nextId++
      this.waiting.set(id, { resolve, reject })
      thread.postMessage({ id, batch } satisfies ThreadRequest)
    })
  }

  /** For tests of replacement: ends the thread as a crash would. */
  async kill(): Promise<void> {
    await this.thread?.terminate()
  }

  async close(): Promise<void> {
    this.closed = true
    await this.thread?.terminate()
  }

  private spawn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const thread = startWorker(new URL('./predict-thread.js', import.meta.url), { workerData: this.data })
      this.thread = thread
      let why = 'ended'
      // the server's sockets keep the process alive, not an idle thread
      thread.unref()
      thread.on('message', (reply: ThreadReply) => {
        if (reply.kind === 'ready') return resolve()
        this.startFailures = 0
        const waiting = this.waiting.get(reply.id)
        this.waiting.delete(reply.id)
        if (reply.kind === 'done') waiting?.resolve(reply.predictions)
        else waiting?.reject(new MillraceError(reply.code as ErrorCode, reply.message))
      })
      thread.on('error', (error) => {
        why = `ended: ${error.message}`
      })
      thread.on('exit', () => {
        reject(died(why))
        this.ended(why)
      })
    })
  }

  private ended(why: string): void {
    for (const { reject } of this.waiting.values()) reject(died(why))
    this.waiting.clear()
    this.thread = undefined
    if (this.closed) return
    this.deaths++
    if (++this.startFailures <= MAX_START_FAILURES) this.spawn().catch(() => undefined)
  }
}

function died(why: string): MillraceError {
  return new MillraceError('MR_PREDICT_WORKER', `the thread that predicts long batches ${why}`, {
    retryable: true,
    hint: 'send the request again; a new thread takes its place',
  })
}
