/**
 * Tells a query that works from one that nobody works on. Spark waits for ever for workers and gives no error, but its
 * progress reports repeat at an interval also when nothing changes, so a stall can be told by them alone.
 */
import type { ExecutePlanResponse_ExecutionProgress } from './connect_pb.js'

export interface SparkProgress {
  /** Tasks of all stages known so far; adaptive execution adds stages and leaves some undone. */
  readonly tasks: number
  /** At most `tasks`: tasks that were lost with a worker and done again count once. */
  readonly done: number
  readonly running: number
  readonly bytesRead: number
  /** Milliseconds for which tasks wait, none runs and nothing changes; 0 while something does. */
  readonly waiting: number
}

/** Folds a query's reports; times are milliseconds of a clock that never goes back. */
export class Watch {
  #before = ''
  #since: number | undefined

  observe(report: ExecutePlanResponse_ExecutionProgress, now: number): SparkProgress {
    let [tasks, done, bytesRead, open] = [0, 0, 0, false]
    for (const stage of report.stages) {
      const all = Number(stage.numTasks)
      const completed = Math.min(Number(stage.numCompletedTasks), all)
      tasks += all
      done += completed
      bytesRead += Number(stage.inputBytesRead)
      open ||= !stage.done && completed < all
    }
    const running = Number(report.numInflightTasks)
    // Without an open stage the driver itself is at work (planning, listing files, committing): no worker is missing.
    const idle = open && running === 0
    const state = report.stages
      .map((stage) => `${stage.stageId}:${stage.numCompletedTasks}:${stage.inputBytesRead}:${stage.done}`)
      .join()
    if (!idle || state !== this.#before) this.#since = idle ? now : undefined
    this.#before = state
    return { tasks, done, running, bytesRead, waiting: this.#since === undefined ? 0 : now - this.#since }
  }
}
