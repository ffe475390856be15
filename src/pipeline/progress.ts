/** From counts to a rate and the time left: estimates, computed from the last half minute of progress. */
import type { StageProgress } from './stage.js'

export interface ProgressReport extends StageProgress {
  /** Units a second over the window; absent until there are two points in time. */
  readonly rate?: number
  /** Seconds left if it goes on at this rate: an estimate. Absent without a total or a rate. */
  readonly estimatedSecondsLeft?: number
}

/** Milliseconds of history that the rate is taken from. */
const WINDOW = 30_000
/** At most so many reports a second reach the listeners; the last count of a unit always does. */
const INTERVAL = 100

interface Sample {
  readonly time: number
  readonly done: number
}

/** Turns one stage's progress into reports. `time` is monotonic milliseconds. */
export class ProgressMeter {
  #unit: string | undefined
  #samples: Sample[] = []
  #reported = -Infinity

  /** The report for this count, or undefined if the last one is too fresh. */
  update(progress: StageProgress, time: number): ProgressReport | undefined {
    const last = this.#samples.at(-1)
    // Another unit, or counting again from the start: what was measured before says nothing of it.
    if (progress.unit !== this.#unit || (last !== undefined && progress.done < last.done)) {
      this.#unit = progress.unit
      this.#samples = []
      this.#reported = -Infinity
    }
    const complete = progress.total !== undefined && progress.done >= progress.total
    if (time - this.#reported < INTERVAL && !complete) return undefined
    this.#reported = time
    this.#samples.push({ time, done: progress.done })
    // One sample older than the window stays, so that slow units (an epoch a minute) still have a rate.
    while ((this.#samples[1]?.time ?? Infinity) < time - WINDOW) this.#samples.shift()
    return { ...progress, ...estimate(this.#samples, progress.total) }
  }
}

/** Rate and time left from samples in order of time. Pure. */
export function estimate(samples: readonly Sample[], total?: number): { rate?: number; estimatedSecondsLeft?: number } {
  const first = samples[0]
  const last = samples.at(-1)
  if (first === undefined || last === undefined || last.time <= first.time) return {}
  const rate = ((last.done - first.done) / (last.time - first.time)) * 1000
  if (total === undefined) return { rate }
  if (last.done >= total) return { rate, estimatedSecondsLeft: 0 }
  return rate > 0 ? { rate, estimatedSecondsLeft: (total - last.done) / rate } : { rate }
}
