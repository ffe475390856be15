/** What the journal holds. Every event names its run and the wall time (milliseconds since 1970 UTC). */
import type { EnvironmentValue } from '../config/environment.js'
import type { ArtifactRef } from '../core/artifacts.js'
import type { Artifacts } from './stage.js'

/** One part of the configuration that a stage read, and what it found: see `reads.ts`. */
export type Read = readonly [path: readonly string[], found: string]

/** Digests of a stage's inputs: by stage, by output; see `recordInputs`. */
export type InputDigests = Readonly<Record<string, Readonly<Record<string, string>>>>

export interface StageError {
  /** A code of core/errors.ts; MR_STAGE_FAILED for what was thrown without one. */
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly at?: { readonly file: string; readonly line: number; readonly column: number }
}

interface Base {
  readonly run: string
  readonly time: number
}

interface StageBase extends Base {
  readonly stage: string
}

/** A new run. `config` is the resolved configuration, without its secrets; `argv` how it was asked for. */
export interface RunStarted extends Base {
  readonly type: 'run-started'
  readonly name: string
  readonly config: unknown
  readonly seed: number
  readonly versions: Readonly<Record<string, string>>
  readonly argv: readonly string[]
  /** What relative paths of the configuration start from. */
  readonly folder?: string
  /** Values that the configuration does not hold, but what the file wrote for them. */
  readonly environment?: readonly EnvironmentValue[]
  /** In journals from before `environment`: places of what the environment gave, which `config` holds plain there. */
  readonly secrets?: readonly (readonly (string | number)[])[]
  readonly force: boolean | readonly string[]
  readonly stages: readonly { readonly name: string; readonly version: number; readonly after: readonly string[] }[]
}

/** The run goes on in another process, or after a failure. */
export interface RunResumed extends Base {
  readonly type: 'run-resumed'
  readonly versions: Readonly<Record<string, string>>
  readonly stages: RunStarted['stages']
}

export interface StageStarted extends StageBase {
  readonly type: 'stage-started'
  /** From 1, in this process. */
  readonly attempt: number
  readonly version: number
  readonly inputs: InputDigests
  readonly fingerprint: string | null
}

export interface StageLog extends StageBase {
  readonly type: 'stage-log'
  readonly level: 'info' | 'warn'
  readonly message: string
}

/** A document that people should see even if the stage fails. */
export interface StageAttached extends StageBase {
  readonly type: 'stage-attached'
  readonly name: string
  readonly artifact: ArtifactRef
}

/** Durable state of an unfinished stage. Good for attempts with the same base that find what `inputs` and `reads` found. */
export interface StageCheckpoint extends StageBase {
  readonly type: 'stage-checkpoint'
  /** Identity without what was read: see `identity.ts`. */
  readonly base: string
  /** The inputs looked at so far. */
  readonly inputs: InputDigests
  readonly reads: readonly Read[]
  readonly state: ArtifactRef
}

/** The one event that makes a stage's work count. */
export interface StageSucceeded extends StageBase {
  readonly type: 'stage-succeeded'
  readonly version: number
  /** Versions of what computed the outputs; absent in journals from before they were recorded. */
  readonly engines?: Readonly<Record<string, string>>
  readonly base: string
  /** Identity with what was read. */
  readonly key: string
  /** Those that it looked at. */
  readonly inputs: InputDigests
  readonly fingerprint: string | null
  readonly reads: readonly Read[]
  readonly outputs: Artifacts
  readonly seconds: number
  readonly attempts: number
}

export interface StageFailed extends StageBase {
  readonly type: 'stage-failed'
  readonly error: StageError
  readonly seconds: number
  readonly attempts: number
}

export interface StageRetrying extends StageBase {
  readonly type: 'stage-retrying'
  /** The attempt that failed. */
  readonly attempt: number
  /** Milliseconds until the next. */
  readonly delay: number
  readonly error: StageError
}

/** Not run because the stage `because` failed or was skipped. */
export interface StageSkipped extends StageBase {
  readonly type: 'stage-skipped'
  readonly because: string
}

/** Not run because run `from` has done the same already. */
export interface StageCached extends StageBase {
  readonly type: 'stage-cached'
  readonly from: string
  readonly key: string
  readonly outputs: Artifacts
}

export interface RunFinished extends Base {
  readonly type: 'run-finished'
  readonly status: 'success' | 'failed' | 'cancelled'
  /** Of this process's part of the run. */
  readonly seconds: number
  /** Not success: how to go on. */
  readonly hint?: string
}

export type RunEvent =
  | RunStarted
  | RunResumed
  | StageStarted
  | StageLog
  | StageAttached
  | StageCheckpoint
  | StageSucceeded
  | StageFailed
  | StageRetrying
  | StageSkipped
  | StageCached
  | RunFinished
