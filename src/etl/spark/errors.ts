/** What Spark says, as an error that a person can act on: the same code as of the engine inside the process, where it has one. */
import { MillraceError, type ErrorCode } from '../../core/errors.js'
import { SparkError } from './connect/failure.js'

/** By Spark's error class, or the beginning of it. */
const CLASSES: readonly (readonly [RegExp, ErrorCode, string, string | undefined])[] = [
  [
    /^(CAST_INVALID_INPUT|CAST_OVERFLOW|CANNOT_PARSE_TIMESTAMP|INVALID_TIMESTAMP|CONVERSION_INVALID_INPUT)/,
    'MR_SOURCE_TYPE',
    "a value does not have its column's type",
    'declare the column as text, or mend the value',
  ],
  [
    /^(PATH_NOT_FOUND|FAILED_READ_FILE\.FILE_NOT_EXIST)/,
    'MR_FILE_MISSING',
    'the cluster finds no such file',
    undefined,
  ],
  [
    /^(FAILED_READ_FILE\.(CANNOT_READ_FILE_FOOTER|PARQUET)|CANNOT_READ_FILE_FOOTER)/,
    'MR_SOURCE_CORRUPT',
    'a source file cannot be read',
    'it is truncated or something else: export or copy it again',
  ],
]

/** By what Java, or who runs Spark's executors, says where Spark has no class. */
const WORDS: readonly (readonly [RegExp, ErrorCode, string, string])[] = [
  [
    /No space left on device|Disk quota exceeded/i,
    'MR_DISK_FULL',
    'a disk of the cluster is full',
    'free some space on the cluster, then run the same command again',
  ],
  [
    // 52 is Spark's own end for want of memory, 137 that of a container killed for it
    /OutOfMemoryError|Java heap space|exit(ed with)? (code|status)( is)?[: ]*(52|137)\b|OOMKilled|exceeding (\w+ )?memory limits|Cannot grow BufferHolder|Cannot reserve additional contiguous bytes|UNABLE_TO_ACQUIRE_MEMORY|GC overhead/i,
    'MR_ENGINE_MEMORY',
    'an executor has too little memory for what one task holds',
    'give the executors more memory (spark.executor.memory), or raise data.num_partitions',
  ],
  [
    // what they had shuffled is lost with them, and its loss is all that Spark tells
    /failed the maximum allowable number of times/i,
    'MR_ENGINE_MEMORY',
    'executors died again and again, as they do where they have too little memory',
    'look at why they ended; give them more memory (spark.executor.memory), or raise data.num_partitions',
  ],
  [
    /Permission denied|AccessControlException/i,
    'MR_FILE_ACCESS',
    'the cluster may not read or write there',
    'the user that runs the cluster needs the rights of the folder',
  ],
]

/** How often what was lost with the server is done: a server that is started anew has forgotten what it did. */
export const ATTEMPTS = 3

/** A query that ended with its server, and may be asked of the one that took its place. */
export const isLost = (error: unknown): boolean =>
  error instanceof SparkError && error.code === 'MR_SPARK_LOST' && !error.away

/** Turns whatever a query threw into a MillraceError; one that is not Spark's stays. `signal` tells an abort apart. */
export function sparkEngineError(error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted === true && !(error instanceof MillraceError && error.code === 'MR_CANCELLED'))
    return new MillraceError('MR_CANCELLED', 'the query was cancelled', { cause: error })
  if (!(error instanceof SparkError)) return error
  if (error.code === 'MR_SPARK_LOST' || error.code === 'MR_SPARK_STALLED') return again(error)
  if (error.code !== 'MR_SPARK_QUERY') return error
  const { errorClass = '', message } = error
  // first: a full disk fails what was going on, whose class is another
  const known =
    WORDS.find(([pattern]) => pattern.test(message)) ?? CLASSES.find(([pattern]) => pattern.test(errorClass))
  if (known === undefined) return error
  const [, code, words, hint] = known
  return new MillraceError(code, `${words}: ${shorten(message)}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  })
}

/** What the engine writes goes into new folders, and is removed where it was not finished: it may be done again. */
function again(error: SparkError): SparkError {
  if (error.retryable) return error
  const hint = error.code === 'MR_SPARK_LOST' ? 'run it again once the server is there' : error.hint
  return new SparkError(error.code, error.message, {
    ...{ cause: error, retryable: true, away: error.away, errorClass: error.errorClass, sqlState: error.sqlState },
    ...(hint === undefined ? {} : { hint }),
  })
}

const shorten = (message: string): string => (message.length > 500 ? `${message.slice(0, 500)}…` : message)
