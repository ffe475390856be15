/** The pipeline file, resolved: every key has its value, every default is filled in, nothing can be changed. */
import type { Costs } from '../core/metrics.js'

export type { Costs }

export type FileFormat = 'parquet' | 'csv' | 'json'
export type Compression = 'snappy' | 'zstd' | 'gzip' | 'none'
export type Severity = 'warn' | 'drop' | 'fail'
export type ColumnType = 'number' | 'integer' | 'boolean' | 'text' | 'timestamp' | 'date'

/** `over` or `rows` says how far back; both durations are text such as 7d (units.ts). */
export interface WindowConfig {
  /** The column whose equal values make one history. */
  readonly by: string
  readonly of?: string
  readonly compute: 'count' | 'sum' | 'mean' | 'min' | 'max' | 'lag'
  readonly over?: string
  readonly rows?: number
  readonly delay?: string
}

/** Keys are spelled as in the file. Sizes and rates keep their text; units.ts reads them. */
export interface PipelineConfig {
  readonly pipeline_name: string
  readonly version: string
  readonly seed: number
  /** The column to predict. A file may do without; what trains asks `requireLabel` for it. */
  readonly label?: string
  /** Two classes: the one whose probability is thresholded; the last in order if absent. */
  readonly positive?: string
  /** Identifies the row or the customer; keys the hash split. */
  readonly entity?: string
  /** When the row happened; a time split goes by it. */
  readonly timestamp?: string
  readonly features: {
    readonly include?: readonly string[]
    readonly exclude: readonly string[]
    /** Steps of a column where the defaults are not wanted: `[{impute: median}, standard]`. */
    readonly columns: Readonly<Record<string, readonly (string | Readonly<Record<string, unknown>>)[]>>
    /** Text columns keep this many values, the rest share one index. */
    readonly max_categories: number
    /** New columns made of the earlier rows of the same entity, by name. */
    readonly windows: Readonly<Record<string, WindowConfig>>
  }
  readonly split: {
    readonly method: 'hash' | 'stratified' | 'time' | 'group'
    readonly train: number
    readonly validation: number
    readonly test: number
    /** group: the column whose rows stay together. */
    readonly group?: string
  }
  readonly leak_check: {
    readonly action: 'refuse' | 'warn'
    /** Columns and checks whose findings are known and right. */
    readonly allow: readonly string[]
  }
  readonly gate: {
    readonly metric?: string
    readonly minimum?: number
    /** Must not be worse than the model that holds the alias `champion` now. */
    readonly champion: boolean
  }
  readonly evaluation: {
    /** Two classes: a number, or what the threshold maximises on validation rows. */
    readonly threshold: number | 'f1' | 'accuracy' | 'balanced_accuracy' | { readonly cost: Costs }
    /** How probabilities are corrected on validation rows. */
    readonly calibration: 'none' | 'temperature' | 'isotonic'
    /** Columns by whose values the scores are given apart. */
    readonly slices: readonly string[]
    /** Weight of a row by its class in all scores, e.g. to restore the natural prevalence of a sample. */
    readonly class_weights?: Readonly<Record<string, number>>
    readonly bootstrap: number
  }
  readonly data: {
    readonly source_path: string
    readonly output_path: string
    readonly num_partitions: number
    /** Of what is written to output_path; sources are told by their names and contents. */
    readonly file_format: FileFormat
    readonly compression: Compression
    readonly partition_by: readonly string[]
    readonly write_mode: 'overwrite' | 'append'
    /** What happens where files have other columns than the rest. */
    readonly schema_drift: 'refuse' | 'fill'
    readonly s3: { readonly endpoint?: string; readonly region?: string }
    readonly validation_rules: {
      readonly required_columns: readonly string[]
      readonly non_null_columns: readonly string[]
      /** What happens to rows with a null in non_null_columns. */
      readonly on_null: Severity
      readonly value_ranges: Readonly<Record<string, readonly [number, number]>>
      /** A column, or columns that are unique together. */
      readonly unique_columns: readonly (string | readonly string[])[]
      readonly unique_order?: { readonly by: readonly string[]; readonly keep: 'first' | 'last' }
      readonly types: Readonly<Record<string, ColumnType>>
      readonly allowed_values: Readonly<Record<string, readonly (string | number | boolean)[]>>
      readonly patterns: Readonly<Record<string, string>>
      readonly comparisons: readonly {
        readonly left: string
        readonly is: '<' | '<=' | '=' | '!=' | '>=' | '>'
        readonly right: string | number
      }[]
      /** Durations, by time column. */
      readonly freshness: Readonly<Record<string, string>>
      /** By rule (`patterns`) or by rule and column (`patterns.email`). */
      readonly severity: Readonly<Record<string, Severity>>
      /** Paths of Great Expectations suites. */
      readonly expectations: readonly string[]
      readonly min_records: number
    }
    /** Types of columns where inference is not wanted. */
    readonly schema: Readonly<Record<string, ColumnType>>
    readonly csv: { readonly delimiter?: string; readonly quote?: string; readonly header?: boolean }
    readonly engine: 'duckdb' | 'spark'
    readonly spark: { readonly remote?: string }
    readonly threads?: number
    readonly memory_limit?: string
  }
  readonly training: {
    readonly model_type: 'neural_network' | 'logistic_regression' | 'gradient_boosting'
    readonly task: 'auto' | 'classification' | 'regression'
    readonly num_workers: number
    readonly num_gpus_per_worker: number
    readonly batch_size: number
    readonly max_epochs: number
    readonly learning_rate: number
    readonly checkpoint_freq: number
    readonly early_stopping_patience: number
    readonly hidden_dims: readonly number[]
    readonly dropout: number
    readonly weight_decay: number
    readonly clip_norm: number
    readonly schedule: 'constant' | 'cosine' | 'linear'
    readonly warmup: number
    readonly class_weights: 'none' | 'balanced' | Readonly<Record<string, number>>
    readonly backend: 'auto' | 'embedded' | 'torch'
    readonly torch: { readonly python: string }
  }
  readonly resources: {
    readonly num_nodes: number
    readonly cpus_per_node: number
    readonly memory_per_node: string
    readonly gpus_per_node: number
    readonly storage_type: string
    readonly network_bandwidth: string
  }
  readonly retry: {
    readonly max_retries: number
    /** Seconds. */
    readonly initial_delay: number
    readonly backoff_factor: number
    readonly max_delay: number
    /** Seconds that an attempt at a stage may take; none if absent. */
    readonly timeout?: number
  }
  readonly monitoring: {
    readonly metrics_interval: number
    readonly log_level: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR'
    readonly alert_thresholds: Readonly<Record<string, number>>
    readonly dashboard_url: string | null
  }
  /** The search for the best settings of training; kept as it stands. */
  readonly tuning?: Readonly<Record<string, Json>>
  /** How the model is served; kept as it stands. */
  readonly deploy?: Readonly<Record<string, Json>>
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
