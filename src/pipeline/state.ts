/** What became of a run: a fold over its events. */
import type { ArtifactRef } from '../core/artifacts.js'
import type { RunEvent, RunStarted, StageError } from './events.js'
import type { Artifacts } from './stage.js'

export type StageStatus = 'pending' | 'running' | 'success' | 'failed' | 'retrying' | 'skipped' | 'cached'
/** `running` is also what a killed run looks like; whether a process is at work is told by the home's lock. */
export type RunStatus = 'running' | 'success' | 'failed' | 'cancelled'

export interface StageResult {
  readonly name: string
  readonly after: readonly string[]
  readonly status: StageStatus
  /** Its outputs: success and cached. */
  readonly value?: Artifacts
  /** failed, retrying. */
  readonly error?: StageError
  /** Of execution, all attempts together; 0 until it ends. */
  readonly seconds: number
  readonly retries: number
  /** Wall time of the first attempt of the last process. */
  readonly startedAt?: number
  /** cached: the run that did it. */
  readonly from?: string
  /** skipped: the stage it depends on that failed or was skipped. */
  readonly because?: string
  /** success, cached: identity of what was done. */
  readonly key?: string
  readonly checkpoint?: ArtifactRef
  /** Documents for people, by name; also of a stage that failed. */
  readonly attachments?: Artifacts
}

export interface RunState {
  readonly run: string
  readonly name: string
  readonly status: RunStatus
  readonly startedAt: number
  readonly finishedAt?: number
  /** failed, cancelled: how to go on. */
  readonly hint?: string
  /** Execution time, of all processes that worked at it to an end. */
  readonly seconds: number
  readonly config: unknown
  readonly seed: number
  readonly versions: Readonly<Record<string, string>>
  readonly argv: readonly string[]
  readonly folder?: string
  readonly force: boolean | readonly string[]
  /** In topological order. */
  readonly stages: readonly StageResult[]
  readonly logs: readonly {
    readonly time: number
    readonly stage: string
    readonly level: string
    readonly message: string
  }[]
}

/**
 * The state after one more event. Pure, and idempotent: the same event twice in turn, or a whole history twice, gives
 * the same state as once. Events of other runs, and any before `run-started`, change nothing.
 */
export function applyEvent(state: RunState | undefined, event: RunEvent): RunState | undefined {
  if (event.type === 'run-started') return start(event)
  if (state === undefined || state.run !== event.run) return state
  switch (event.type) {
    case 'run-resumed': {
      const before = new Map(state.stages.map((stage) => [stage.name, stage]))
      const stages = event.stages.map(({ name, after }) => {
        const stage = before.get(name)
        return stage?.status === 'success' || stage?.status === 'cached' ? { ...stage, after } : fresh(name, after)
      })
      const { finishedAt: _, hint: __, ...kept } = state
      return { ...kept, status: 'running', versions: event.versions, stages }
    }
    case 'stage-started':
      return change(state, event.stage, (stage) => ({
        ...fresh(stage.name, stage.after),
        status: 'running',
        retries: event.attempt - 1,
        startedAt: event.attempt === 1 ? event.time : (stage.startedAt ?? event.time),
        ...(stage.checkpoint === undefined ? {} : { checkpoint: stage.checkpoint }),
      }))
    case 'stage-log': {
      const line = { time: event.time, stage: event.stage, level: event.level, message: event.message }
      const last = state.logs.at(-1)
      if (last !== undefined && JSON.stringify(last) === JSON.stringify(line)) return state
      return { ...state, logs: [...state.logs, line] }
    }
    case 'stage-attached':
      return change(state, event.stage, (stage) => ({
        ...stage,
        attachments: { ...stage.attachments, [event.name]: event.artifact },
      }))
    case 'stage-checkpoint':
      return change(state, event.stage, (stage) => ({ ...stage, checkpoint: event.state }))
    case 'stage-succeeded':
      return change(state, event.stage, ({ checkpoint: _, error: __, ...stage }) => ({
        ...stage,
        status: 'success',
        value: event.outputs,
        key: event.key,
        seconds: event.seconds,
        retries: event.attempts - 1,
      }))
    case 'stage-failed':
      return change(state, event.stage, (stage) => ({
        ...stage,
        status: 'failed',
        error: event.error,
        seconds: event.seconds,
        retries: event.attempts - 1,
      }))
    case 'stage-retrying':
      return change(state, event.stage, (stage) => ({
        ...stage,
        status: 'retrying',
        error: event.error,
        retries: event.attempt,
      }))
    case 'stage-skipped':
      return change(state, event.stage, (stage) => ({
        ...fresh(stage.name, stage.after),
        status: 'skipped',
        because: event.because,
      }))
    case 'stage-cached':
      return change(state, event.stage, (stage) => ({
        ...fresh(stage.name, stage.after),
        status: 'cached',
        value: event.outputs,
        key: event.key,
        from: event.from,
      }))
    case 'run-finished': {
      if (state.finishedAt === event.time) return state
      // What a cancelled run left in the middle waits for `resume`.
      const stages = state.stages.map((stage) =>
        stage.status === 'running' || stage.status === 'retrying'
          ? { ...fresh(stage.name, stage.after), ...(stage.checkpoint ? { checkpoint: stage.checkpoint } : {}) }
          : stage,
      )
      return {
        ...state,
        status: event.status,
        finishedAt: event.time,
        seconds: state.seconds + event.seconds,
        stages,
        ...(event.hint === undefined ? {} : { hint: event.hint }),
      }
    }
  }
}

/** The state after a run's whole history; undefined if it has no `run-started`. */
export async function foldRun(events: AsyncIterable<RunEvent> | Iterable<RunEvent>): Promise<RunState | undefined> {
  let state: RunState | undefined
  for await (const event of events) state = applyEvent(state, event)
  return state
}

function start(event: RunStarted): RunState {
  return {
    run: event.run,
    name: event.name,
    status: 'running',
    startedAt: event.time,
    seconds: 0,
    config: event.config,
    seed: event.seed,
    versions: event.versions,
    argv: event.argv,
    ...(event.folder === undefined ? {} : { folder: event.folder }),
    force: event.force,
    stages: event.stages.map(({ name, after }) => fresh(name, after)),
    logs: [],
  }
}

function fresh(name: string, after: readonly string[]): StageResult {
  return { name, after, status: 'pending', seconds: 0, retries: 0 }
}

function change(state: RunState, name: string, to: (stage: StageResult) => StageResult): RunState {
  const index = state.stages.findIndex((stage) => stage.name === name)
  const stage = state.stages[index]
  return stage === undefined ? state : { ...state, stages: state.stages.with(index, to(stage)) }
}
