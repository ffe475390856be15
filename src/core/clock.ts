/** Time, passed in: what depends on it can be tested without waiting, and survives jumps of the wall clock. */
import { MillraceError } from './errors.js'

export interface Clock {
  /** Wall time: milliseconds since 1970 UTC. May jump; only for showing and recording. */
  now(): number
  /** Milliseconds from some fixed point, never going back; for durations. */
  monotonic(): number
  /** Resolves after `ms` milliseconds; rejects with MR_CANCELLED as soon as the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** setTimeout fires at once beyond this. */
const LONGEST_TIMER = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      let left = Math.max(0, ms)
      let timer: NodeJS.Timeout
      const cancel = () => {
        clearTimeout(timer)
        reject(new MillraceError('MR_CANCELLED', 'interrupted while waiting', { cause: signal?.reason }))
      }
      const next = () => {
        if (left <= 0) {
          signal?.removeEventListener('abort', cancel)
          resolve()
          return
        }
        const slice = Math.min(left, LONGEST_TIMER)
        left -= slice
        timer = setTimeout(next, slice)
      }
      if (signal?.aborted) {
        reject(new MillraceError('MR_CANCELLED', 'interrupted while waiting', { cause: signal.reason }))
        return
      }
      signal?.addEventListener('abort', cancel, { once: true })
      next()
    })
  },
}
