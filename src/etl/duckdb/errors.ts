/** What DuckDB says, as an error that a person can act on. */
import { MillraceError } from '../../core/errors.js'

/** Turns whatever a query threw into a MillraceError; one that already is stays. `signal` tells an abort apart. */
export function engineError(error: unknown, signal?: AbortSignal): MillraceError {
  if (error instanceof MillraceError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (signal?.aborted === true) return new MillraceError('MR_CANCELLED', 'the query was cancelled', { cause: error })
  // first: a full disk says the name of the file it was full for, which may be anything
  return (
    resourceError(message, error) ??
    sourceError(message, error) ??
    new MillraceError('MR_ENGINE_FAILED', firstLine(message), { cause: error })
  )
}

function sourceError(message: string, cause: unknown): MillraceError | undefined {
  const line = /CSV Error on Line: (\d+)/.exec(message)
  if (line !== null) {
    const file = /^\s*file = (.*)$/m.exec(message)?.[1] ?? ''
    const at = { file, line: Number(line[1]), column: 1 }
    const original = shorten(/^Original Line: ?(.*)$/m.exec(message)?.[1] ?? '')
    const columns = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message)
    if (columns !== null)
      return new MillraceError('MR_SOURCE_ROW', `a row has ${columns[2]} values, not ${columns[1]}: ${original}`, {
        at,
        cause,
        hint: 'mend the row: a value that holds the delimiter must be quoted',
      })
    if (/unicode|utf-8/i.test(message))
      return new MillraceError('MR_SOURCE_ENCODING', `a row is not valid UTF-8: ${original}`, {
        at,
        cause,
        hint: `convert the file first, for example: iconv -f latin1 -t utf-8 ${file}`,
      })
    if (message.includes('unterminated quote'))
      return new MillraceError('MR_SOURCE_ROW', `a quote is opened and never closed: ${original}`, { at, cause })
    const why = message.split('\n')[2] ?? message
    return new MillraceError('MR_SOURCE_ROW', `a row cannot be read: ${why.trim()}: ${original}`, { at, cause })
  }
  const json = /Malformed JSON in file "(.*)", at byte (\d+) in (?:line|record\/value) (\d+): (.*)/.exec(message)
  if (json !== null)
    return new MillraceError('MR_SOURCE_ROW', `malformed JSON: ${(json[4] ?? '').trim()}`, {
      at: { file: json[1] ?? '', line: Number(json[3]), column: Number(json[2]) },
      cause,
    })
  if (/^Permission Error|^IO Error.*(Permission denied|permission)/.test(message))
    return new MillraceError('MR_FILE_ACCESS', firstLine(message), { cause })
  const missing = /No files found that match the pattern "(.*)"/.exec(message)
  if (missing !== null) return new MillraceError('MR_FILE_MISSING', `there is no file ${missing[1]}`, { cause })
  const parquet =
    /No magic bytes found at end of file '(.*)'|File '(.*)' too small to be a Parquet file|[Ff]ooter.* file '(.*)'/.exec(
      message,
    )
  if (parquet !== null) {
    const file = parquet[1] ?? parquet[2] ?? parquet[3] ?? ''
    return new MillraceError('MR_SOURCE_CORRUPT', `${file} is not a whole Parquet file`, {
      hint: 'it is truncated or something else: export or copy it again',
      cause,
    })
  }
  if (
    /Malformed JSON|JSON transform|doesn't match checksum|Data corruption detected|frame descriptor|Invalid Input Error: .*json|parquet|snappy|zstd|gzip|Thrift|TProtocol/i.test(
      ownWords(message),
    )
  )
    return new MillraceError('MR_SOURCE_CORRUPT', `a source file cannot be read: ${firstLine(message)}`, { cause })
  if (message.startsWith('Conversion Error'))
    return new MillraceError('MR_SOURCE_TYPE', `a value does not have its column's type: ${firstLine(message)}`, {
      cause,
      hint: 'declare the column as text, or mend the value',
    })
  return undefined
}

/** An estimate, from tables of twenty columns. */
const LEAST_MEMORY = 'about 100 MB a thread and 200 MB in all are the least; wide tables and windows need more'

function resourceError(message: string, cause: unknown): MillraceError | undefined {
  // these show what stands in a source, where any words may
  if (/^(Invalid Input|Conversion) Error/.test(message)) return undefined
  const words = ownWords(message)
  if (/No space left on device|ENOSPC|disk.* full/i.test(words))
    return new MillraceError('MR_DISK_FULL', firstLine(message), {
      cause,
      hint: 'free some space, then run the same command again',
    })
  if (/max_temp_directory_size|failed to offload/.test(words))
    return new MillraceError('MR_DISK_FULL', `there is no room left to spill to: ${firstLine(message)}`, {
      cause,
      hint: 'free some space where the home is, or raise data.memory_limit; then run the same command again',
    })
  if (/Too many open files|EMFILE|ENFILE/.test(words))
    return new MillraceError('MR_ENGINE_FAILED', firstLine(message), {
      cause,
      hint: 'raise the limit of open files (ulimit -n), or lower data.threads',
    })
  if (message.startsWith('Out of Memory Error')) {
    const limit = /\([\d.]+ \w+\/([\d.]+ \w+) used\)/.exec(message)?.[1]
    return new MillraceError(
      'MR_ENGINE_MEMORY',
      limit === undefined
        ? firstLine(message)
        : `the engine's memory of ${limit} is too small for this table, even with spilling`,
      { cause, hint: `raise data.memory_limit, or lower data.threads: ${LEAST_MEMORY}` },
    )
  }
  return undefined
}

/** The message without what it quotes, paths above all, and without the query that DuckDB repeats below it. */
const ownWords = (message: string): string =>
  message.replace(/\n\s*LINE \d+:.*/s, '').replace(/(?<!\w)(["']).*?\1(?!\w)/g, '$1$1')

const firstLine = (message: string): string => shorten(message.split('\n')[0] ?? message, 300)
const shorten = (line: string, length = 80): string => (line.length > length ? `${line.slice(0, length)}…` : line)
