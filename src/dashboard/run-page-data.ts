/** All that the run page shows. Every document is optional: a run that failed half-way gets a page too. */
import type {
  EvaluationDocument,
  FeaturesDocument,
  LeakDocument,
  RegistrationDocument,
  TableDocument,
  TrainingDocument,
  ValidationDocument,
  WindowDocument,
} from '../core/documents.js'
import type { StageStatus } from './charts/status.js'

export interface RunPageStage {
  readonly name: string
  readonly status: StageStatus
  readonly seconds?: number
  /** Seconds after the start of the run. */
  readonly startedAt?: number
  /** Run that computed the outputs taken from the journal. */
  readonly cachedFrom?: string
  readonly attempts?: number
  /** Stages it waits for. */
  readonly after: readonly string[]
  readonly note?: string
  readonly error?: string
}

export interface RunPageData {
  readonly run: {
    readonly id: string
    /** `pipeline_name` and `version` of the file. */
    readonly pipeline: string
    readonly version: string
    readonly status: 'running' | 'success' | 'failed' | 'cancelled'
    /** ISO 8601. */
    readonly started: string
    readonly seconds?: number
    readonly seed: number
    /** As it was typed. */
    readonly command: string
  }
  readonly stages: readonly RunPageStage[]
  /** Why the run ended early. */
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string; readonly stage?: string }
  /** Where the rows came from, e.g. the file's path. */
  readonly source?: string
  /** How its files differ, in words. */
  readonly sourceNotes?: readonly string[]
  readonly table?: TableDocument
  readonly validation?: ValidationDocument
  /** The file of the quarantined rows, relative to the page. */
  readonly quarantine?: string
  readonly features?: FeaturesDocument
  /** Columns that were made of the earlier rows of an entity. */
  readonly windows?: readonly WindowDocument[]
  /** Also of a run that was refused for it. */
  readonly leaks?: LeakDocument
  readonly training?: TrainingDocument
  readonly evaluation?: EvaluationDocument
  readonly registration?: RegistrationDocument
  /** A row as a client would send it; fills the curl example. Only the model's inputs. */
  readonly sampleRow?: Readonly<Record<string, string | number | boolean | null>>
  /** The resolved pipeline file, YAML. */
  readonly config?: string
  /** What computed: {millrace: '0.1.0', node: …, duckdb: …, onnxruntime: …}. */
  readonly versions: Readonly<Record<string, string>>
  /** In the order of the data's way: {source: 'sha256:…', features: …, model: …}. */
  readonly digests: Readonly<Record<string, string>>
  /** One line each, e.g. what the machine lacks and what ran instead. */
  readonly notes: readonly string[]
}
