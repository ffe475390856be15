/** What a stage is to the executor: inputs and configuration in, artifacts out. */
import type { ArtifactRef, ArtifactStore } from '../core/artifacts.js'

export type Artifacts = Readonly<Record<string, ArtifactRef>>

export interface StageProgress {
  /** What is being done, e.g. `epoch`, `rows`. */
  readonly unit: string
  readonly done: number
  /** Absent when not known. */
  readonly total?: number
  /** Shown as they are, e.g. {loss: 0.41}. */
  readonly values?: Readonly<Record<string, number>>
}

export interface StageContext<Config> {
  /** Every leaf that is read becomes part of the stage's key; what is not read does not. */
  readonly config: Config
  /** Outputs of the stages it depends on: `inputs.extract.table`. */
  readonly inputs: Readonly<Record<string, Artifacts>>
  readonly store: ArtifactStore
  readonly signal: AbortSignal
  readonly progress: (progress: StageProgress) => void
  /** One line for the log and the journal. */
  readonly log: (message: string, level?: 'info' | 'warn') => void
  /** Journals a document that people should see even if the stage fails, e.g. a validation report. */
  readonly attach: (name: string, ref: ArtifactRef) => Promise<void>
  /** Durable state of an unfinished stage: survives kill -9, given back as `resumed` to the next attempt of the same key. */
  readonly checkpoint: (state: ArtifactRef) => Promise<void>
  readonly resumed: ArtifactRef | undefined
}

export interface StageKind<Config> {
  readonly name: string
  /** Raise it when the same inputs would give other outputs. */
  readonly version: number
  /** Versions of what computes its outputs, by name, e.g. {duckdb: '1.5.5'}: part of its key. */
  readonly engines?: Readonly<Record<string, string>>
  /** Names of stages whose outputs it reads. */
  readonly after: readonly string[]
  /** Milliseconds; none if absent. */
  readonly timeout?: number
  /**
   * Input from outside (source files): its digest is part of the key. Called before each lookup, and after `run` and
   * at each checkpoint: an attempt during which it changed does not count (MR_SOURCE_CHANGED, tried again).
   */
  fingerprint?(config: Config, signal: AbortSignal): Promise<string>
  /**
   * For a stage with effects outside the store, or whose answer depends on the time: false if they are gone or it holds
   * no longer, so that the stage runs again although the journal holds its outputs.
   */
  stillThere?(outputs: Artifacts, config: Config, store: ArtifactStore): Promise<boolean>
  run(context: StageContext<Config>): Promise<Artifacts>
}
