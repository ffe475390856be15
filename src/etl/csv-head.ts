/** The start of a CSV file: its delimiter, its quote, whether it has a header, its column names. */
import { MillraceError } from '../core/errors.js'
import { readStart } from './compressed.js'

/** So many bytes of a file are looked at. */
const HEAD = 256 * 1024

/** The first bytes of a file as text, decompressed if its name says that it is compressed, without byte-order mark. */
export async function readHead(path: string): Promise<{ text: string; whole: boolean }> {
  const bytes = await readStart(path, HEAD)
  refuseOtherBytes(path, bytes)
  const text = bytes.toString('utf8')
  return { text: text.startsWith('\uFEFF') ? text.slice(1) : text, whole: bytes.length < HEAD }
}

/** What is called CSV and is not text in UTF-8: other encodings, archives, a zero byte anywhere near the start. */
function refuseOtherBytes(path: string, bytes: Buffer): void {
  const zero = bytes.indexOf(0)
  const mark = bytes.length < 2 ? 0 : bytes.readUInt16BE(0)
  if (mark === 0xfffe || mark === 0xfeff || (zero >= 0 && zero < 2))
    throw new MillraceError('MR_SOURCE_ENCODING', `${path} is not UTF-8: it looks like UTF-16`, {
      hint: `convert it first, for example: iconv -f utf-16 -t utf-8 ${path}`,
    })
  if (mark === 0x1f8b)
    throw new MillraceError('MR_SOURCE_FORMAT', `${path} is compressed with gzip, and its name does not say so`, {
      hint: 'call it .csv.gz',
    })
  if (bytes.length >= 4 && bytes.readUInt32BE(0) === 0x28b52ffd)
    throw new MillraceError('MR_SOURCE_FORMAT', `${path} is compressed with zstd, and its name does not say so`, {
      hint: 'call it .csv.zst',
    })
  if (zero >= 0)
    throw new MillraceError('MR_SOURCE_ENCODING', `${path} holds a zero byte, at byte ${zero}; text has none`, {
      hint: `take them out first, for example: tr -d '\\000' < ${path}`,
    })
}

/** The records of a CSV text; quoted values may hold delimiters, line breaks and doubled quotes. */
export function parseRecords(text: string, delimiter: string, quote: string, most = Infinity): string[][] {
  const records: string[][] = []
  let record: string[] = []
  let value = ''
  let at = 0
  const endRecord = (): void => {
    record.push(value)
    records.push(record)
    record = []
    value = ''
  }
  while (at < text.length && records.length < most) {
    const char = text[at] ?? ''
    if (char === quote && value === '') {
      let end = at + 1
      for (;;) {
        const next = text.indexOf(quote, end)
        if (next < 0) {
          value += text.slice(end)
          end = text.length
          break
        }
        value += text.slice(end, next)
        end = next + 1
        if (text[end] !== quote) break
        value += quote
        end++
      }
      at = end
    } else if (text.startsWith(delimiter, at)) {
      record.push(value)
      value = ''
      at += delimiter.length
    } else if (char === '\n' || char === '\r') {
      endRecord()
      at += char === '\r' && text[at + 1] === '\n' ? 2 : 1
    } else {
      value += char
      at++
    }
  }
  if ((value !== '' || record.length > 0) && records.length < most) endRecord()
  return records
}

export interface CsvShape {
  readonly delimiter: string
  readonly quote: string
  /** Records of the head; the last one may be cut and is left out unless it is the file's last. */
  readonly records: readonly (readonly string[])[]
}

/**
 * The delimiter among `, ; tab |` that splits the head into the most columns with the same number in nearly all
 * records; a comma where none does. `given` fixes either.
 */
export function sniff(
  head: { readonly text: string; readonly whole: boolean },
  given: { readonly delimiter?: string; readonly quote?: string } = {},
): CsvShape {
  const quote = given.quote ?? (singleQuoted(head.text) ? "'" : '"')
  const read = (delimiter: string): string[][] => {
    const records = parseRecords(head.text, delimiter, quote, 2000)
    return head.whole || records.length === 2000 ? records : records.slice(0, Math.max(1, records.length - 1))
  }
  if (given.delimiter !== undefined) return { delimiter: given.delimiter, quote, records: read(given.delimiter) }
  let best: CsvShape = { delimiter: ',', quote, records: read(',') }
  let bestScore = score(best.records)
  for (const delimiter of [';', '\t', '|']) {
    const records = read(delimiter)
    const found = score(records)
    if (found > bestScore) [best, bestScore] = [{ delimiter, quote, records }, found]
  }
  return best
}

/** Columns of the first record, if nearly all others have as many; else less than 1; 0 for one column. */
function score(records: readonly (readonly string[])[]): number {
  const filled = records.filter((record) => record.length > 1 || record[0] !== '')
  const width = filled[0]?.length ?? 0
  if (width < 2) return 0
  const same = filled.filter((record) => record.length === width).length / filled.length
  return same >= 0.9 ? width : same
}

/** Single quotes only if no double quote is there and they stand on both sides of values. */
const singleQuoted = (text: string): boolean =>
  !text.includes('"') && /(^|[,;\t|\n])'[^'\n]*'([,;\t|\r\n]|$)/.test(text.slice(0, 10_000))
