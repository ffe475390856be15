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

/** By what Java says where Spark has no class. */
const WORDS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [
    /No space left on device|Disk quota exceeded/i,
    'MR_DISK_FULL',
    'free some space on the cluster, then run the same command again',
  ],
  [
    /OutOfMemoryError|exit (code|status)[: ]*(52|137)|Cannot grow BufferHolder|UNABLE_TO_ACQUIRE_MEMORY|GC overhead/i,
    'MR_ENGINE_MEMORY',
    'give the executors more memory (spark.executor.memory), or raise data.num_partitions',
  ],
  [
    /Permission denied|AccessControlException/i,
    'MR_FILE_ACCESS',
    'the user that runs the cluster needs the rights of the folder',
  ],
]

/** How often what was lost with the server is done: a server that is started anew has forgotten what it did. */
export const ATTEMPTS = 3

export const isLost = (error: unknown): boolean => error instanceof MillraceError && error.code === 'MR_SPARK_LOST'

/** Turns whatever a query threw into a MillraceError; one that is not Spark's stays. `signal` tells an abort apart. */
export function sparkEngineError(error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted === true && !(error instanceof MillraceError && error.code === 'MR_CANCELLED'))
    return new MillraceError('MR_CANCELLED', 'the query was cancelled', { cause: error })
  if (!(error instanceof SparkError) || error.code !== 'MR_SPARK_QUERY') return error
  const { errorClass = '', message } = error
  // first: a full disk fails what was going on, whose class is another
  const word = WORDS.find(([pattern]) => pattern.test(message))
  if (word !== undefined) return new MillraceError(word[1], shorten(message), { cause: error, hint: word[2] })
  const known = CLASSES.find(([pattern]) => pattern.test(errorClass))
  if (known === undefined) return error
  const [, code, words, hint] = known
  return new MillraceError(code, `${words}: ${shorten(message)}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  })
}

const shorten = (message: string): string => (message.length > 500 ? `${message.slice(0, 500)}…` : message)
