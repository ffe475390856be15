/** When to try again, and after how long: a pure decision; clock and random generator are passed in. */
import type { Clock } from './clock.js'
import { MillraceError } from './errors.js'

export interface RetryOptions {
  /** Further attempts after the first; default 3. */
  readonly maxRetries?: number
  /** Milliseconds before the first retry; default 1000. */
  readonly initialDelay?: number
  /** Default 2. */
  readonly backoffFactor?: number
  /** Milliseconds; default 60,000. */
  readonly maxDelay?: number
  /** Default `isRetryable`. */
  readonly retryable?: (error: unknown) => boolean
}

/**
 * Exponential backoff with jitter. Before retry n (from 0) the base is min(initialDelay * backoffFactor^n, maxDelay);
 * the delay is drawn uniformly from [base/2, base]. Half is kept so that a struggling service always gets a pause; the
 * other half is random so that many clients that failed together do not come back together ("equal jitter": Brooker,
 * "Exponential backoff and jitter", 2015). The delay never exceeds maxDelay.
 */
export class RetryStrategy {
  readonly maxRetries: number
  readonly initialDelay: number
  readonly backoffFactor: number
  readonly maxDelay: number
  readonly retryable: (error: unknown) => boolean

  constructor(options: RetryOptions = {}) {
    this.maxRetries = atLeast('maxRetries', options.maxRetries ?? 3, 0)
    this.initialDelay = atLeast('initialDelay', options.initialDelay ?? 1000, 0)
    this.backoffFactor = atLeast('backoffFactor', options.backoffFactor ?? 2, 1)
    this.maxDelay = atLeast('maxDelay', options.maxDelay ?? 60_000, 0)
    this.retryable = options.retryable ?? isRetryable
    if (!Number.isInteger(this.maxRetries)) throw new RangeError(`maxRetries ${this.maxRetries}: must be whole`)
  }

  /** Milliseconds before retry `n` (from 0). */
  delay(n: number, random: { uniform(): number }): number {
    // factor^n overflows to Infinity for large n, and 0 * Infinity is NaN.
    const grown = this.initialDelay === 0 ? 0 : this.initialDelay * this.backoffFactor ** n
    const base = Math.min(grown, this.maxDelay)
    return base / 2 + (base / 2) * random.uniform()
  }

  /**
   * Calls `attempt(1)`, and again while it fails with a retryable error and retries are left; the last error is thrown.
   * `before` is awaited before each wait. Rejects with MR_CANCELLED when the signal fires during a wait.
   */
  async run<T>(
    attempt: (number: number) => Promise<T>,
    options: {
      readonly clock: Clock
      readonly random: { uniform(): number }
      readonly signal?: AbortSignal
      readonly before?: (retry: { attempt: number; delay: number; error: unknown }) => Promise<void>
    },
  ): Promise<T> {
    for (let number = 1; ; number++) {
      try {
        return await attempt(number)
      } catch (error) {
        if (number > this.maxRetries || options.signal?.aborted || !this.retryable(error)) throw error
        const delay = this.delay(number - 1, options.random)
        await options.before?.({ attempt: number, delay, error })
        await options.clock.sleep(delay, options.signal)
      }
    }
  }
}

const PASSING = new Set([
  ...['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENETDOWN', 'ENETRESET', 'ENETUNREACH'],
  ...['EHOSTDOWN', 'EHOSTUNREACH', 'EAI_AGAIN', 'EAGAIN', 'EBUSY', 'EMFILE', 'ENFILE'],
  ...['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_SOCKET'],
])

/**
 * True for what can pass by itself: a MillraceError says so of itself (configuration and validation never do); of
 * other errors a system error of the network or of exhausted handles, also as a cause (`fetch failed`).
 */
export function isRetryable(error: unknown): boolean {
  for (let depth = 0; depth < 8 && error instanceof Error; depth++) {
    if (error instanceof MillraceError) return error.retryable
    if ('code' in error && typeof error.code === 'string' && PASSING.has(error.code)) return true
    error = error.cause
  }
  return false
}

function atLeast(name: string, value: number, minimum: number): number {
  if (!(value >= minimum)) throw new RangeError(`${name} ${value}: must be at least ${minimum}`)
  return value
}
