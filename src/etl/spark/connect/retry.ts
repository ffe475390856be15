/** When a call to a Spark Connect server is made again, and after how long: a pure decision, as Spark's own clients take it. */
import { status } from '@grpc/grpc-js'
import type { Failure } from './failure.js'

export interface RetryPolicy {
  readonly maxRetries: number
  /** Milliseconds before the first retry; each next one is `factor` times it, up to `maxDelay`. */
  readonly initialDelay: number
  readonly factor: number
  readonly maxDelay: number
  /** Up to this many random milliseconds are added to delays of at least `jitterFrom`. */
  readonly jitter: number
  readonly jitterFrom: number
  /** Milliseconds after the first failure from which on nothing is tried again. */
  readonly patience: number
}

/** Spark's constants (Python, Go and Swift clients of 4.x): a server may be away for ten minutes. */
export const PATIENT: RetryPolicy = {
  ...{ maxRetries: 15, initialDelay: 50, factor: 4, maxDelay: 60_000, jitter: 500, jitterFrom: 2000 },
  patience: 600_000,
}

/** For the first call, where a wrong address is likelier than a server that comes back: about four seconds. */
export const BRIEF: RetryPolicy = { ...PATIENT, maxRetries: 5, initialDelay: 100, factor: 2, maxDelay: 1500 }

/** A server may ask for more, not for longer than this. */
const LONGEST_ASKED = 600_000

/**
 * Milliseconds before retry `attempt` (from 0) after a failure; undefined: it is final. A delay that the server asks for
 * (google.rpc.RetryInfo) makes any failure one to retry.
 * @param waited milliseconds since the first failure after the last answer
 */
export function retryDelay(
  policy: RetryPolicy,
  attempt: number,
  failure: Failure,
  random: { uniform(): number },
  waited = 0,
): number | undefined {
  if (attempt >= policy.maxRetries || !canPass(failure)) return undefined
  if (failure.retryDelay === undefined && waited >= policy.patience) return undefined
  const grown = Math.min(policy.initialDelay * policy.factor ** attempt, policy.maxDelay)
  const asked = Math.min(failure.retryDelay ?? 0, LONGEST_ASKED)
  const delay = Math.max(grown, asked)
  return delay >= policy.jitterFrom ? delay + random.uniform() * policy.jitter : delay
}

function canPass({ code, message, retryDelay: asked }: Failure): boolean {
  if (asked !== undefined || code === status.UNAVAILABLE) return true
  // Another reader took the stream over, or something between cut it.
  return code === status.INTERNAL && (message.includes('INVALID_CURSOR.DISCONNECTED') || /RST_STREAM/.test(message))
}
