/** What is kept in memory of a journal: where runs stand in the file, and what lookups need. */
import type { RunEvent, StageCheckpoint, StageSucceeded } from './events.js'
import type { Line } from './journal-format.js'
import type { RunStatus } from './state.js'

export interface RunSummary {
  readonly run: string
  readonly name: string
  readonly status: RunStatus
  readonly startedAt: number
  readonly finishedAt?: number
}

interface Entry {
  summary: RunSummary
  readonly start: number
  readonly number: number
  end: number
}

/** Checkpoints of a run and base: the last, and some before it in case its bytes turn out damaged. */
const KEPT = 3

export class JournalIndex {
  readonly #runs = new Map<string, Entry>()
  readonly #successes = new Map<string, StageSucceeded[]>()
  readonly #byBase = new Map<string, StageSucceeded[]>()
  readonly #checkpoints = new Map<string, StageCheckpoint[]>()

  add({ event, start, end, number }: Line): void {
    const entry = this.#runs.get(event.run)
    if (entry !== undefined) {
      entry.end = end
      entry.summary = summarise(entry.summary, event)
    } else if (event.type === 'run-started') {
      const { run, name, time } = event
      this.#runs.set(run, { summary: { run, name, status: 'running', startedAt: time }, start, end, number })
    }
    if (event.type === 'stage-succeeded') {
      push(this.#successes, event.stage, event)
      push(this.#byBase, event.base, event)
      const all = this.#checkpoints.get(event.base)
      if (all === undefined) return
      const left = all.filter((checkpoint) => checkpoint.run !== event.run)
      if (left.length > 0) this.#checkpoints.set(event.base, left)
      else this.#checkpoints.delete(event.base)
    } else if (event.type === 'stage-checkpoint') {
      const all = this.#checkpoints.get(event.base) ?? []
      const ofRun = all.filter((checkpoint) => checkpoint.run === event.run)
      const dropped = ofRun.length >= KEPT ? ofRun[0] : undefined
      this.#checkpoints.set(event.base, [...all.filter((checkpoint) => checkpoint !== dropped), event])
    }
  }

  /** Where in the file a run's events lie, among others'; `number` is that of the first line. */
  range(run: string): { readonly start: number; readonly end: number; readonly number: number } | undefined {
    return this.#runs.get(run)
  }

  runs(): readonly RunSummary[] {
    return [...this.#runs.values()].map(({ summary }) => summary)
  }

  successesOf(stage: string): readonly StageSucceeded[] {
    return this.#successes.get(stage) ?? []
  }

  successes(stage: string, base: string): readonly StageSucceeded[] {
    return this.#byBase.get(base)?.filter((success) => success.stage === stage) ?? []
  }

  checkpoints(base: string): readonly StageCheckpoint[] {
    return this.#checkpoints.get(base) ?? []
  }
}

function summarise(before: RunSummary, event: RunEvent): RunSummary {
  if (event.type === 'run-finished') return { ...before, status: event.status, finishedAt: event.time }
  if (event.type !== 'run-resumed') return before
  const { finishedAt: _, ...kept } = before
  return { ...kept, status: 'running' }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
