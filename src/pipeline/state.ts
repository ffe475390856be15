/** What became of a run: a fold over its events. */
import type { EnvironmentValue } from '../config/environment.js'
import type { ArtifactRef } from '../core/artifacts.js'
import type { RunEvent, RunFinished, RunResumed, RunStarted, StageError } from './events.js'
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
  /** Values that `config` does not hold, but what the file wrote for them. */
  readonly environment?: readonly EnvironmentValue[]
  /** Places in `config` whose values are not for people's eyes. */
  readonly secrets?: readonly (readonly (string | number)[])[]
  readonly force: boolean | readonly string[]
  /** In topological order. */
  readonly stages: readonly StageResult[]
  readonly logs: readonly LogLine[]
}

export interface LogLine {
  readonly time: number
  readonly stage: string
  readonly level: 'info' | 'warn'
  readonly message: string
}

type RunLevelEvent = RunStarted | RunResumed | RunFinished
type StageEvent = Exclude<RunEvent, RunLevelEvent>

/**
 * The state after one more event. Pure, and idempotent: the same event twice in turn, or a whole history twice, gives
 * the same state as once. Events of other runs, and any before `run-started`, change nothing.
 */
export function applyEvent(state: RunState | undefined, event: RunEvent): RunState | undefined {
  return applyEvents(state, [event])
}

/** As `applyEvent`, for many: copies the state once, not once an event. */
export function applyEvents(state: RunState | undefined, events: Iterable<RunEvent>): RunState | undefined {
  const fold = new RunFold(state)
  for (const event of events) fold.add(event)
  return fold.state
}

/** `applyEvents` that goes on: takes events one by one and keeps none of them. */
export class RunFold {
  #state: RunState | undefined
  /** Of `#state`, changed since. */
  #draft: { readonly stages: Map<string, StageResult>; readonly logs: LogLine[] } | undefined

  constructor(state: RunState | undefined) {
    this.#state = state
  }

  add(event: RunEvent): void {
    if (isRunLevel(event)) {
      this.#state = applyToRun(this.state, event)
      this.#draft = undefined
    } else if (this.#state !== undefined && this.#state.run === event.run) {
      const { stages, logs } = (this.#draft ??= draftOf(this.#state))
      const stage = stages.get(event.stage)
      if (event.type === 'stage-log') addLog(logs, event)
      else if (stage !== undefined) stages.set(event.stage, applyToStage(stage, event))
    }
  }

  /** The state by now. */
  get state(): RunState | undefined {
    if (this.#state === undefined || this.#draft === undefined) return this.#state
    return { ...this.#state, stages: [...this.#draft.stages.values()], logs: [...this.#draft.logs] }
  }
}

function draftOf({ stages, logs }: RunState): { stages: Map<string, StageResult>; logs: LogLine[] } {
  return { stages: new Map(stages.map((stage) => [stage.name, stage])), logs: [...logs] }
}

/** The state after a run's whole history; undefined if it has no `run-started`. */
export async function foldRun(events: AsyncIterable<RunEvent> | Iterable<RunEvent>): Promise<RunState | undefined> {
  const all: RunEvent[] = []
  for await (const event of events) all.push(event)
  return applyEvents(undefined, all)
}

function isRunLevel(event: RunEvent): event is RunLevelEvent {
  return event.type === 'run-started' || event.type === 'run-resumed' || event.type === 'run-finished'
}

function addLog(logs: LogLine[], { time, stage, level, message }: LogLine): void {
  const last = logs.at(-1)
  const isSame = last?.time === time && last.stage === stage && last.level === level && last.message === message
  if (!isSame) logs.push({ time, stage, level, message })
}

function applyToRun(state: RunState | undefined, event: RunLevelEvent): RunState | undefined {
  if (event.type === 'run-started') return start(event)
  if (state === undefined || state.run !== event.run) return state
  if (event.type === 'run-resumed') {
    const before = new Map(state.stages.map((stage) => [stage.name, stage]))
    const stages = event.stages.map(({ name, after }) => {
      const stage = before.get(name)
      return stage?.status === 'success' || stage?.status === 'cached' ? { ...stage, after } : fresh(name, after)
    })
    const { finishedAt: _, hint: __, ...kept } = state
    return { ...kept, status: 'running', versions: event.versions, stages }
  }
  if (state.finishedAt === event.time) return state
  // What a cancelled run left in the middle waits for `resume`.
  const stages = state.stages.map((stage) =>
    stage.status === 'running' || stage.status === 'retrying'
      ? { ...fresh(stage.name, stage.after), ...keptOf(stage) }
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

function applyToStage(stage: StageResult, event: StageEvent): StageResult {
  switch (event.type) {
    case 'stage-log':
      return stage
    case 'stage-started':
      return {
        ...keptOf(stage),
        name: stage.name,
        after: stage.after,
        status: 'running',
        seconds: 0,
        retries: event.attempt - 1,
        startedAt: event.attempt === 1 ? event.time : (stage.startedAt ?? event.time),
      }
    case 'stage-attached':
      return { ...stage, attachments: { ...stage.attachments, [event.name]: event.artifact } }
    case 'stage-checkpoint':
      return { ...stage, checkpoint: event.state }
    case 'stage-succeeded': {
      const { name, after, startedAt, attachments } = stage
      const { outputs: value, key, seconds, attempts } = event
      const retries = attempts - 1
      return {
        ...{ name, after, status: 'success', value, key, seconds, retries },
        ...(startedAt === undefined ? {} : { startedAt }),
        ...(attachments === undefined ? {} : { attachments }),
      }
    }
    case 'stage-failed': {
      const { error, seconds, attempts } = event
      return { ...stage, status: 'failed', error, seconds, retries: Math.max(0, attempts - 1) }
    }
    case 'stage-retrying':
      return { ...stage, status: 'retrying', error: event.error, retries: event.attempt }
    case 'stage-skipped':
      return { ...fresh(stage.name, stage.after), status: 'skipped', because: event.because }
    case 'stage-cached': {
      const { outputs: value, key, from } = event
      return { ...fresh(stage.name, stage.after), status: 'cached', value, key, from }
    }
  }
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
    ...(event.environment === undefined ? {} : { environment: event.environment }),
    ...(event.secrets === undefined ? {} : { secrets: event.secrets }),
    force: event.force,
    stages: event.stages.map(({ name, after }) => fresh(name, after)),
    logs: [],
  }
}

function fresh(name: string, after: readonly string[]): StageResult {
  return { name, after, status: 'pending', seconds: 0, retries: 0 }
}

/** What another attempt does not undo. */
function keptOf({ checkpoint, attachments }: StageResult): Pick<StageResult, 'checkpoint' | 'attachments'> {
  return { ...(checkpoint === undefined ? {} : { checkpoint }), ...(attachments === undefined ? {} : { attachments }) }
}
