/** How every ONNX Runtime session of Millrace is set up. */
import type { InferenceSession } from 'onnxruntime-node'

/**
 * Options of a session that uses `threads` threads for one run and logs errors only. Threads do not spin while they
 * wait: spinning halves the speed and doubles the CPU as soon as anything else runs, such as the event loop.
 */
export function sessionOptions(threads: number): InferenceSession.SessionOptions {
  return {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  }
}
