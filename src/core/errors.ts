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
  MR_DISK_FULL: ['no space is left on the device', 1],
  MR_ARTIFACT_MISSING: ['an artifact named by the journal is not in the store', 1],
  MR_ARTIFACT_CORRUPT: ["an artifact's bytes do not match its digest", 1],
  // configuration
  MR_CONFIG_INVALID: ['the pipeline file breaks a rule', 2],
  // training
  MR_SHARD_CORRUPT: ['a training shard is torn, truncated or not what its manifest says', 1],
  MR_SHARD_VALUE: ['a feature or label cannot be packed for training', 2],
  MR_TRAIN_JOB_INVALID: ['a training job contradicts itself or its data', 2],
  MR_TRAIN_DIVERGED: ['the training loss became infinite or not a number', 1],
  MR_TRAIN_FAILED: ['a trainer ended without a result', 1],
  MR_CHECKPOINT_CORRUPT: ['a checkpoint is torn, truncated or altered', 1],
  MR_CHECKPOINT_MISMATCH: ['a checkpoint belongs to another training job or version', 2],
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
