/**
 * Every error a person can meet. Codes are `MR_<AREA>_<FACT>`, never reused; test/errors.test.ts keeps this table equal
 * to docs/errors.md.
 */

/** Where in a file a value stands; line and column count from 1. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** code: [what it means, exit code of the command line] */
export const ERRORS = {
  // internal and usage
  MR_INTERNAL_BUG: ['a fault of Millrace itself', 1],
  MR_USAGE: ['the command line cannot be understood', 2],
  MR_CANCELLED: ['interrupted by the user or by a signal', 130],
  MR_TIMEOUT: ['a step took longer than it may', 1],
  // files and artifacts
  MR_FILE_MISSING: ['a file does not exist', 2],
  MR_FILE_ACCESS: ['a file or folder cannot be read or written', 2],
  MR_FILE_EXISTS: ['a file would be overwritten', 2],
  MR_FILE_OUTSIDE: ['a path leads out of the folder it must stay in', 2],
  MR_DISK_FULL: ['no space is left on the device', 1],
  MR_ARTIFACT_MISSING: ['an artifact named by the journal is not in the store', 1],
  MR_ARTIFACT_CORRUPT: ["an artifact's bytes do not match its digest", 1],
  MR_ARTIFACT_INVALID: ['a reference to an artifact is malformed', 2],
  MR_JSON_UNREPRESENTABLE: ['a value cannot be written as JSON', 1],
  // journal, runs and stages
  MR_JOURNAL_CORRUPT: ['a line in the middle of the journal is damaged', 1],
  MR_JOURNAL_VERSION: ['the journal was written in a format that this version does not know', 1],
  MR_JOURNAL_CLOSED: ['the journal takes no more events', 1],
  MR_HOME_LOCKED: ['another run is working in this home', 1],
  MR_RUN_UNKNOWN: ['no run of that name is in the journal', 2],
  MR_RUN_INVALID: ['a run name breaks a rule or is taken, or another version began the run', 2],
  MR_STAGE_GRAPH: ['stages do not form a graph that can be run', 2],
  MR_STAGE_OUTPUT: ['a stage returned what is not an artifact in the store', 1],
  MR_STAGE_FAILED: ['a stage threw an error', 1],
  // configuration
  MR_CONFIG_INVALID: ['the pipeline file breaks a rule', 2],
  MR_CONFIG_UNIT: ['a size or rate cannot be read', 2],
  MR_CONFIG_LABEL_ABSENT: ['the pipeline file names no column to predict', 2],
  MR_PLAN_UNSUPPORTED: ['the pipeline file asks for what this version or this machine cannot do', 2],
  // training
  MR_SHARD_CORRUPT: ['a training shard is torn, truncated or not what its manifest says', 1],
  MR_SHARD_VALUE: ['a feature or label cannot be packed for training', 2],
  MR_TRAIN_JOB_INVALID: ['a training job contradicts itself or its data', 2],
  MR_TRAIN_DIVERGED: ['the training loss became infinite or not a number', 1],
  MR_TRAIN_FAILED: ['a trainer ended without a result', 1],
  MR_CHECKPOINT_CORRUPT: ['a checkpoint is torn, truncated or altered', 1],
  MR_CHECKPOINT_MISMATCH: ['a checkpoint belongs to another training job or version', 2],
  // model files and serving
  MR_MODEL_FILE_UNREADABLE: ['a model file is not an ONNX file', 2],
  MR_MODEL_FILE_METADATA: ['a model file does not say what it is', 2],
  MR_MODEL_FILE_CONTRACT: ["a model file's inputs or outputs are not those of its metadata", 2],
  MR_MODEL_FILE_UNSAFE: ['a model file holds what no model of Millrace holds', 2],
  MR_MODEL_FILE_LOAD: ['ONNX Runtime cannot open a model file', 1],
  MR_PREDICT_COLUMN: ['the data has no column that the model needs, or one of another type', 2],
  MR_PREDICT_FAILED: ['a prediction failed', 1],
  MR_PREDICT_CLASH: ['the data has a column called as one that scoring adds', 2],
  MR_PREDICT_WORKER: ['the thread that was predicting ended', 1],
  MR_REQUEST_SHAPE: ['a request for predictions has none of the accepted shapes', 1],
  MR_REQUEST_COLUMN: ['a request for predictions lacks a column or has an unknown one', 1],
  MR_REQUEST_VALUE: ['a value in a request for predictions has the wrong type', 1],
  MR_REQUEST_TOO_LARGE: ['a request for predictions has too many rows', 1],
  MR_SERVER_BUSY: ['the server has more rows waiting than it may', 1],
  MR_SERVER_LATE: ['a prediction could not be made in the time that its request has', 1],
  MR_SERVER_STOPPING: ['the server or model is being stopped', 1],
  MR_SERVER_TOKEN: ['a server that others can reach has no token', 2],
  MR_SERVER_ADDRESS: ['a server cannot listen at its address', 2],
  // evaluation
  MR_EVALUATION_EMPTY: ['there are no rows to score a model on', 2],
  MR_EVALUATION_INPUT: ['labels, probabilities or weights given for scoring contradict each other', 1],
  MR_EVALUATION_NOT_FINITE: ['a model answered NaN or infinity', 1],
  MR_EVALUATION_COLUMN: ['a slice names a column that the data lacks', 2],
  MR_EVALUATION_TASK: ['evaluation asks for what the task does not have', 2],
  MR_GATE_METRIC: ['the gate names a metric that the task does not have', 2],
  // plans and engines
  MR_PLAN_COLUMN_UNKNOWN: ['a plan refers to a column that its input does not have', 2],
  MR_PLAN_COLUMN_DUPLICATE: ['a plan gives two columns the same name (case is ignored)', 2],
  MR_PLAN_NAME: ['a column name that no engine can carry', 2],
  MR_PLAN_TYPE: ['an expression is given values of a type that it does not take', 2],
  MR_PLAN_SHAPE: ['a plan that cannot be executed: no columns, inputs that do not match, misplaced aggregates', 2],
  MR_ENGINE_FAILED: ['the engine could not execute a query', 1],
  MR_ENGINE_MEMORY: ['the engine ran out of memory', 1],
  // Spark
  MR_SPARK_ADDRESS: ['the address of a Spark Connect server cannot be read', 2],
  MR_SPARK_UNREACHABLE: ['no Spark Connect server answers at the address', 1],
  MR_SPARK_VERSION: ['the Spark server is older than this client needs', 2],
  MR_SPARK_AUTH: ['the Spark server refuses the token', 2],
  MR_SPARK_ARGUMENT: ['a query for Spark has an argument or a name that it cannot have', 2],
  MR_SPARK_QUERY: ['Spark could not execute a query', 1],
  MR_SPARK_LOST: ['the Spark server went away with what it was doing', 1],
  MR_SPARK_STALLED: ['a query waits and no worker of the Spark cluster takes its tasks', 1],
  MR_SPARK_PATHS: ['the Spark cluster does not see the folders of this machine', 2],
  // source files
  MR_SOURCE_FORMAT: ['the format of a source cannot be told', 2],
  MR_SOURCE_SCHEME: ['a kind of location that this engine cannot read', 2],
  MR_SOURCE_EMPTY: ['a source has no columns', 2],
  MR_SOURCE_HEADER: ['column names of a source are missing, repeated or differ between its files', 2],
  MR_SOURCE_ROW: ['a row of a source does not have the columns that it should', 2],
  MR_SOURCE_ENCODING: ['a source is not valid UTF-8', 2],
  MR_SOURCE_CORRUPT: ['a source is damaged or is not what its name says', 2],
  MR_SOURCE_TYPE: ['a column of a source holds values of a type that cannot be read', 2],
  MR_SOURCE_DRIFT: ['files of a source have different columns or types', 2],
  MR_SOURCE_S3: ['an object store cannot be read', 2],
  // features
  MR_TRANSFORM_UNKNOWN: ['a step names no transform', 2],
  MR_TRANSFORM_OPTIONS: ["a step's options break a rule", 2],
  MR_TRANSFORM_KIND: ['a step cannot take what comes before it', 2],
  MR_TRANSFORM_NO_ROWS: ['there are no training rows to fit a step on', 2],
  MR_TRANSFORM_NO_VALUES: ['a column has no value in the training rows', 2],
  MR_TRANSFORM_NOT_FINITE: ["a statistic of a column's training rows is not finite", 2],
  MR_TRANSFORM_DOMAIN: ['training values lie outside the domain of a function', 2],
  MR_TRANSFORM_INPUT_NAME: ["a column's name cannot be that of a model's input", 2],
  MR_TRANSFORM_VERSION: ['a feature plan was fitted by another version of a transform', 1],
  // the stages of a pipeline
  MR_SOURCE_CHANGED: ['a source changed while it was read', 1],
  MR_SOURCE_RESERVED: ['a source column has a name that Millrace keeps for itself', 2],
  MR_SOURCE_COLUMN: ['the file names a column that the source does not have', 2],
  MR_LABEL_MISSING: ['the label column is not in the data', 2],
  MR_LABEL_TYPE: ['the label cannot be predicted as it is', 2],
  MR_LABEL_ONE_CLASS: ['the label has fewer than two values', 2],
  MR_LABEL_POSITIVE: ['the positive class is not a class of the label', 2],
  MR_LABEL_WEIGHT: ['a weight is given for a class that does not exist', 2],
  MR_SPLIT_COLUMN: ['a column cannot key or order the split', 2],
  MR_SPLIT_EMPTY: ['a part of the split has no rows', 2],
  MR_SPLIT_CLASS: ['a class has no training rows', 2],
  MR_FEATURE_COLUMN: ['features names a column that is not in the data', 2],
  MR_FEATURE_NONE: ['no column is left to learn from', 2],
  MR_LEAK_FOUND: ['the leak check found what a model must not see', 3],
  MR_LEAK_ALLOW: ['leak_check.allow names neither a check nor a column', 2],
  MR_WINDOW_COLUMN: ['a window names a column that cannot play its part', 2],
  MR_WINDOW_HISTORY: ["a window's value is not there, and a row alone cannot tell it", 2],
  MR_SUITE_INVALID: ['a file is no suite of Great Expectations', 2],
  MR_VALIDATION_FAILED: ['the data breaks a rule that must hold', 1],
  MR_PUBLISH_OTHER: ['output_path holds the table of another pipeline', 2],
  MR_PUBLISH_SCHEMA: ['what is appended has other columns than what is there', 2],
  MR_PUBLISH_PARTITION: ['partition_by names a column that the features do not have', 2],
  MR_PARITY_BROKEN: ['the served file and the batch path disagree on a row', 1],
  // registry
  MR_MODEL_NAME: ['a model name or alias breaks the rules for names', 2],
  MR_MODEL_URI: ['a model address cannot be read', 2],
  MR_MODEL_UNKNOWN: ['the registry holds no model of that name', 2],
  MR_MODEL_VERSION_UNKNOWN: ['a model has no such version', 2],
  MR_MODEL_ALIAS_UNKNOWN: ['a model has no such alias', 2],
  MR_MODEL_NO_PAST: ['an alias has no earlier version to go back to', 2],
  MR_MODEL_METRIC: ['a metric given for registration is not a finite number', 1],
  MR_REGISTRY_CORRUPT: ['the registry file is damaged or is no registry', 1],
  MR_REGISTRY_NEWER: ['the registry file was written by a newer Millrace', 2],
  MR_REGISTRY_BUSY: ['another process holds the registry file for too long', 1],
  MR_REGISTRY_CLOSED: ['the registry was used after it was closed', 1],
} as const satisfies Record<`MR_${string}`, readonly [meaning: string, exit: 1 | 2 | 3 | 130]>

export type ErrorCode = keyof typeof ERRORS

export interface ErrorOptions {
  /** What to do next: where it can be, a command to run. */
  readonly hint?: string
  readonly at?: Position
  readonly retryable?: boolean
  readonly cause?: unknown
  /** More errors of the same kind, when all are reported at once. */
  readonly others?: readonly MillraceError[]
}

/**
 * An error a person can act on. `message` says what, its value and the rule; `at` the place; `hint` the next step.
 * `retryable` is true only where doing the same again can help.
 */
export class MillraceError extends Error {
  override readonly name = 'MillraceError'
  readonly hint?: string
  readonly at?: Position
  readonly retryable: boolean
  readonly others: readonly MillraceError[]

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: ErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    if (options.hint !== undefined) this.hint = options.hint
    if (options.at !== undefined) this.at = options.at
    this.retryable = options.retryable ?? false
    this.others = options.others ?? []
  }

  get exitCode(): number {
    return ERRORS[this.code][1]
  }
}

/** The known name nearest to `name` by edit distance (at most a third of its length), for "did you mean". */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      )
    row = next
  }
  return row[b.length] ?? 0
}
