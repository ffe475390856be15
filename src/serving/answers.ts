/** What an error is to a client: a status and one line that can be acted on. Never a stack trace. */
import type { FastifyError } from 'fastify'
import type { Reason } from './admission.js'
import { type ErrorCode, MillraceError } from '../core/errors.js'

const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  MR_REQUEST_SHAPE: 400,
  MR_REQUEST_COLUMN: 400,
  MR_REQUEST_VALUE: 400,
  MR_WINDOW_HISTORY: 400,
  MR_REQUEST_TOO_LARGE: 413,
  MR_SERVER_BUSY: 429,
  MR_SERVER_LATE: 503,
  MR_SERVER_STOPPING: 503,
  MR_PREDICT_WORKER: 503,
}

export interface Answer {
  readonly status: number
  /** For `{"error": …}`. */
  readonly message: string
  /** True where the fault is the server's, and belongs into its log. */
  readonly fault: boolean
  /** Where a limit turned it away: which one. */
  readonly reason?: Reason
}

const REASON: Readonly<Partial<Record<ErrorCode, Reason>>> = {
  MR_REQUEST_TOO_LARGE: 'rows',
  MR_SERVER_BUSY: 'queue',
  MR_SERVER_LATE: 'late',
}

export function answerTo(error: unknown, bodyLimit: number): Answer {
  if (error instanceof MillraceError) {
    const status = STATUS[error.code] ?? 500
    const hint = error.hint === undefined ? '' : ` (${error.hint})`
    const reason = REASON[error.code]
    // too much load is the clients' doing, and a line for each would make it worse
    const fault = status >= 500 && error.code !== 'MR_SERVER_LATE'
    return { status, message: `${error.code}: ${error.message}${hint}`, fault, ...(reason && { reason }) }
  }
  const { statusCode, code, message } = error as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return {
      ...{ status: 413, message: `the body is longer than ${bodyLimit} bytes, the most that is read`, fault: false },
      reason: 'body',
    }
  if (code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH')
    return { status: 400, message: 'the body is shorter or longer than its Content-Length', fault: false }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return { status: statusCode, message: message ?? 'the request cannot be understood', fault: false }
  return { status: 500, message: 'the server failed; its log says why', fault: true }
}
