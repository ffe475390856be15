/**
 * The JSON documents that stages hand to later stages and to people (run page, `--json`, registry). They live here
 * because rooms that may not know each other write and read them.
 */
import type { ArtifactRef } from './artifacts.js'
import type { Costs } from './metrics.js'
import type { Schema, Task } from './schema.js'

/** A file of a table. Rows are numbered over all files, whether they are rows of the table or not. */
export interface TableFile {
  readonly ref: ArtifactRef
  /** That the file holds. */
  readonly rows: number
  /**
   * Its rows that are none of the table's, where there are such: a deletion vector as in Delta Lake and Iceberg, one bit for
   * each row that the file holds, 1 where it is left out, the first in the highest bit of the first byte.
   */
  readonly deleted?: ArtifactRef
}

/** A table on disk: Parquet files in order, each with its digest. Several tables may share files. */
export interface TableDocument {
  readonly schema: Schema
  /** Of the table: those that are left out are not among them. */
  readonly rows: number
  readonly files: readonly TableFile[]
  /** What is missing is NULL in the files, never NaN or ''; not said of a source's own files. */
  readonly plain?: true
}

export type Severity = 'warn' | 'drop' | 'fail'

export type RuleName =
  | 'required_columns'
  | 'non_null_columns'
  | 'value_ranges'
  | 'unique_columns'
  | 'types'
  | 'allowed_values'
  | 'patterns'
  | 'comparisons'
  | 'freshness'
  | 'min_records'
  /** From a Great Expectations suite. */
  | 'expectations'

export interface RuleResult {
  /** Unique within the report, e.g. `value_ranges.MonthlyCharges`. */
  readonly id: string
  readonly rule: RuleName
  readonly column?: string
  /** The rule in words, e.g. `0 <= MonthlyCharges <= 200`. */
  readonly expectation: string
  readonly severity: Severity
  /** The suite that asks for it. */
  readonly source?: string
  /** The share of rows that must hold, where that is not all: it may pass although some rows break it. */
  readonly mostly?: number
  readonly passed: boolean
  /** Rows that broke it. */
  readonly violations: number
  /** What was found, where that is not a number of rows; as a number too where it is one (times in microseconds). */
  readonly observed?: string
  readonly value?: number
  /** A few offending values, as text. */
  readonly examples: readonly string[]
}

export interface ColumnProfile {
  readonly name: string
  readonly type: Schema[number]['type']
  readonly missing: number
  /** Not counted for numbers with fractions and times of day, nor for other numbers and dates where a file has over 1,000. */
  readonly distinct?: number
  /** Numbers and times (microseconds): over the rows that are not missing. */
  readonly min?: number
  readonly max?: number
  readonly mean?: number
  readonly stddev?: number
  /** Numbers and times: counts of bins, at most 32, the first with the least value and the last with the largest. */
  readonly histogram?: readonly number[]
  /** Of the histogram: where the first begins, and how wide each is: a power of two, or of days. */
  readonly bins?: { readonly low: number; readonly width: number }
  /** Text and booleans: the most frequent values, at most 20. */
  readonly top?: readonly { readonly value: string; readonly count: number }[]
}

export interface ValidationDocument {
  readonly rowsIn: number
  readonly rowsOut: number
  readonly passed: boolean
  readonly rules: readonly RuleResult[]
  /** What suites ask for that was not checked, and why. */
  readonly unchecked?: readonly string[]
  /** Rows taken out, each with the rule that it broke; absent if none. */
  readonly quarantine?: TableDocument
  readonly columns: readonly ColumnProfile[]
}

/** What became of each column, with every default spelled out. */
export interface FeaturesDocument {
  readonly label: string
  readonly task: Task
  readonly split: {
    readonly method: string
    readonly counts: Readonly<Record<'train' | 'validation' | 'test', number>>
    /** Training rows that `{impute: drop}` left out, and how many of them missed each column. */
    readonly dropped?: { readonly rows: number; readonly columns: Readonly<Record<string, number>> }
    /** Classification: rows of each class in each split. */
    readonly classes?: Readonly<Record<string, Readonly<Record<'train' | 'validation' | 'test', number>>>>
  }
  readonly columns: readonly {
    readonly name: string
    readonly type: Schema[number]['type']
    readonly role: 'feature' | 'excluded'
    readonly reason?: string
    /** The steps in words, e.g. `impute median (1397.475)`, `scale standard (mean 2283.3, sd 2266.8)`. */
    readonly steps: readonly string[]
    readonly outputs: readonly string[]
    /** True if the steps are Millrace's defaults, not the file's. */
    readonly isDefault: boolean
  }[]
  readonly numeric: number
  readonly categories: number
}

/** What the leak check looked for; equal in meaning to `leak_check.allow`. */
export type LeakCheck =
  /** Statistics of the plan are not those of the training rows. */
  | 'fitted_on_other_rows'
  /** Copies of training rows among the rows that judge. */
  | 'duplicates'
  /** An entity with rows on both sides of a split that should part them. */
  | 'entity_across_splits'
  /** A feature that tells the label by itself. */
  | 'label_in_features'
  /** A feature that is known only after its row, or a window that holds later rows. */
  | 'look_ahead'

export interface LeakFinding {
  readonly check: LeakCheck
  readonly column?: string
  readonly passed: boolean
  /** True where `leak_check.allow` names it. */
  readonly allowed?: true
  /** What was measured, and from where on it is a leak; both in the check's own unit, told in `detail`. */
  readonly value: number
  readonly limit: number
  readonly detail: string
}

export interface LeakDocument {
  /** No finding, or only allowed ones. */
  readonly passed: boolean
  readonly action: 'refuse' | 'warn'
  /** Every check with what it found; for columns, those that failed and the nearest to it. */
  readonly checks: readonly LeakFinding[]
}

/** A window in words and facts: for the run page, and for who must send its value with a row. */
export interface WindowDocument {
  readonly name: string
  readonly by: string
  readonly of?: string
  readonly compute: string
  /** Microseconds, or a number of rows. */
  readonly over?: number
  readonly rows?: number
  readonly delay?: number
  /** The column that says what is earlier. */
  readonly timestamp: string
  /** Every column that it is made of, by its type: `by`, `timestamp`, `of`. */
  readonly reads: Schema
  /** sum and mean: the power of two of their fixed point, so that the same rows give the same bits anywhere. */
  readonly scale?: number
  /** e.g. `mean of TX_AMOUNT over the 7d before, by CUSTOMER_ID`. */
  readonly inWords: string
}

export interface EpochRecord {
  readonly epoch: number
  readonly learningRate: number
  readonly trainLoss: number
  readonly validationLoss: number
  /** accuracy (classification), rmse (regression) … on validation rows. */
  readonly metrics: Readonly<Record<string, number>>
  /** Wall time; absent in what is stored. */
  readonly seconds?: number
}

export interface TrainingDocument {
  readonly trainer: string
  readonly modelType: string
  readonly parameters: number
  readonly epochs: readonly EpochRecord[]
  readonly bestEpoch: number
  readonly stoppedEarly: boolean
}

/** An estimate with its 95 % bootstrap interval. */
export interface Score {
  readonly value: number
  readonly low: number
  readonly high: number
}

export interface EvaluationDocument {
  readonly split: 'test'
  readonly rows: number
  readonly task: Task
  /** By name, of those in core/metrics.ts. */
  readonly metrics: Readonly<Record<string, Score>>
  /** Two classes: chosen on validation rows; above 1 where no row is positive. */
  readonly threshold?: { readonly value: number; readonly rule: string }
  /** How probabilities were corrected on validation rows, in words, and the error before and after on test rows. */
  readonly calibrated?: {
    readonly method: string
    readonly detail: string
    readonly eceBefore: number
    readonly brierBefore: number
    readonly logLossBefore: number
    /** Absent where the test rows cannot give it. */
    readonly rocAucBefore?: number
    /** As `calibration.bins`. */
    readonly binsBefore: readonly { readonly predicted: number; readonly observed: number; readonly count: number }[]
  }
  /** Two classes and where the file gives costs: mean costs of a test row, by what is called positive. */
  readonly costs?: {
    readonly table: Costs
    readonly none: number
    readonly all: number
    readonly curve: readonly { readonly threshold: number; readonly cost: number }[]
  }
  /** Rows: true class, columns: predicted class, both in the order of the classes. */
  readonly confusion?: readonly (readonly number[])[]
  /** Two classes: points of the curves, at most 200. */
  readonly roc?: readonly { readonly fpr: number; readonly tpr: number; readonly threshold: number }[]
  readonly precisionRecall?: readonly {
    readonly recall: number
    readonly precision: number
    readonly threshold: number
  }[]
  /** Of the positive class of two; else of the most probable class, whether it is right. */
  readonly calibration?: {
    readonly bins: readonly { readonly predicted: number; readonly observed: number; readonly count: number }[]
    readonly ece: number
    readonly brier: number
  }
  /** Regression: predicted against true, a sample of at most 500. */
  readonly scatter?: readonly { readonly actual: number; readonly predicted: number }[]
  readonly slices: readonly {
    readonly column: string
    readonly value: string
    readonly rows: number
    readonly metric: string
    readonly score: Score
  }[]
  /** Rows weighted (natural prevalence restored), if the file asks for it. */
  readonly weights?: string
  /** What a constant answer scores on the same rows. */
  readonly baseline: Readonly<Record<string, number>>
  /** How the intervals were made. */
  readonly bootstrap?: { readonly replicates: number; readonly sliceReplicates: number; readonly method: string }
  /** What could not be measured and why, and what else a reader should know. */
  readonly notes?: readonly string[]
  readonly parity: { readonly rows: number; readonly maxDifference: number; readonly tolerance: number }
  readonly gate: GateDocument
}

export interface GateDocument {
  readonly passed: boolean
  readonly metric: string
  readonly value: number
  readonly minimum?: number
  /** `difference`: candidate - champion on the same rows, paired. */
  readonly champion?: { readonly version: number; readonly value: number; readonly difference?: Score }
  readonly reasons: readonly string[]
}

/** The `millrace` entry of model.onnx's metadata. No times: equal models have equal bytes. */
export interface ModelMetadata {
  readonly format: 1
  readonly name: string
  readonly version: string
  readonly task: Task
  readonly label: string
  readonly inputs: Schema
  /** Columns of the source that are no inputs, the label among them: a row that holds them is answered all the same. */
  readonly leftOut?: readonly string[]
  /** Inputs that a row alone cannot tell: made of the entity's earlier rows, to be sent with the row. */
  readonly windows?: readonly WindowDocument[]
  /** Two classes: positive from this probability on, 0 to 1; up to 2 where no probability is enough (never positive). */
  readonly threshold?: number
  /** How the file corrects the network's probabilities, in words; absent: not at all. */
  readonly calibration?: string
  readonly seed: number
  /** Digests of what it was made from: data, features, weights. */
  readonly digests: Readonly<Record<string, string>>
  /** Versions of what made it: millrace, duckdb, onnxruntime. */
  readonly engines: Readonly<Record<string, string>>
}

export interface RegistrationDocument {
  readonly name: string
  readonly version: number
  readonly aliases: readonly string[]
  readonly model: ArtifactRef
  readonly gate?: GateDocument
}
