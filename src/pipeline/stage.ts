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
  progress(progress: StageProgress): void
  /** One line for the log and the journal. */
  log(message: string, level?: 'info' | 'warn'): void
  /** Durable state of an unfinished stage: survives kill -9, given back as `resumed` to the next attempt of the same key. */
  checkpoint(state: ArtifactRef): Promise<void>
  readonly resumed: ArtifactRef | undefined
}

export interface StageKind<Config> {
  readonly name: string
  /** Raise it when the same inputs would give other outputs. */
  readonly version: number
  /** Names of stages whose outputs it reads. */
  readonly after: readonly string[]
  /** Milliseconds; none if absent. */
  readonly timeout?: number
  /** Input from outside (source files): its digest is part of the key. Called before each lookup. */
  fingerprint?(config: Config, signal: AbortSignal): Promise<string>
  run(context: StageContext<Config>): Promise<Artifacts>
}
