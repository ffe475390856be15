/** The embedded trainer: multilayer perceptrons on ONNX Runtime, in a worker thread of this process. */
import { MillraceError } from '../../core/errors.js'
import { startWorker } from '../../core/worker.js'
import { checkJob } from '../job.js'
import type { TrainedModel, Trainer } from '../trainer.js'
import type { WorkerJob, WorkerMessage } from './worker.js'

/** After cancelling, a worker that is inside one long step gets this long before it is ended. */
const GRACE_MS = 600

/** `hidden: []` is logistic, softmax or linear regression. Same job, same bytes, whatever the number of threads. */
export function embeddedTrainer(): Trainer {
  return { name: 'embedded', fit }
}

const fit: Trainer['fit'] = async (job, report, signal) => {
  const cancelled = (): MillraceError => new MillraceError('MR_CANCELLED', 'training was cancelled')
  checkJob(job)
  if (signal?.aborted) throw cancelled()
  const cancel = new SharedArrayBuffer(4)
  const worker = startWorker(new URL('./worker.js', import.meta.url), {
    workerData: { job, cancel } satisfies WorkerJob,
  })
  let grace: NodeJS.Timeout | undefined
  let abort: (() => void) | undefined
  try {
    return await new Promise<TrainedModel>((resolve, reject) => {
      abort = () => {
        Atomics.store(new Int32Array(cancel), 0, 1)
        grace = setTimeout(() => reject(cancelled()), GRACE_MS)
      }
      signal?.addEventListener('abort', abort, { once: true })
      worker.on('message', (message: WorkerMessage) => {
        if (message.kind === 'done') resolve(message.model)
        else if (message.kind === 'failed') {
          const { code, message: text, hint } = message.error
          reject(new MillraceError(code, text, hint === undefined ? {} : { hint }))
        } else report(message.event).then((answer) => worker.postMessage(answer), reject)
      })
      worker.on('error', (cause) =>
        reject(new MillraceError('MR_TRAIN_FAILED', `the training thread failed: ${cause.message}`, { cause })),
      )
      worker.on('exit', (code) =>
        reject(new MillraceError('MR_TRAIN_FAILED', `the training thread ended with code ${code} and no result`)),
      )
    })
  } finally {
    if (abort) signal?.removeEventListener('abort', abort)
    clearTimeout(grace)
    // A thread inside a long native call ends only after it; cancelling does not wait for that.
    const ended = worker.terminate()
    if (!signal?.aborted) await ended
  }
}
