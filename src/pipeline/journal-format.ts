/**
 * The journal's file. One line an event: `<crc32c, 8 hex digits> <JSON>\n`, the checksum over the JSON's bytes. The
 * first line is `{"journal":"millrace","version":1}`. Every other line's JSON starts with `"at":<offset>`, the bytes of
 * the file that were safe on disk when it was written: a line with an offset beyond a damaged line proves that the damaged
 * one had been safe. Damage without such a witness is of writes that were not synced one by one, such as a power failure
 * leaves: whole lines after it count all the same, as the last of them may have been acknowledged; what follows the last
 * whole line is a torn end. A line without a type says nothing: it stands where damage was.
 */
import { crc32c } from '../core/crc32c.js'
import { MillraceError } from '../core/errors.js'
import type { RunEvent } from './events.js'

export const VERSION = 1
const NEWLINE = 10
const SPACE = 32

/** Bytes of a line that are not its JSON: the checksum, a space, and the newline. */
const CHECKSUM = 8
const AROUND = CHECKSUM + 2
const HEX = Buffer.from('0123456789abcdef')

export function encodeLine(json: string): Buffer {
  const bytes = Buffer.allocUnsafe(Buffer.byteLength(json) + AROUND)
  bytes.write(json, CHECKSUM + 1)
  complete(bytes, 0, bytes.length)
  return bytes
}

export const HEADER = encodeLine(`{"journal":"millrace","version":${VERSION}}`)

/**
 * Lines one after another, and the place in `bytes` where each ends.
 * @param events as JSON.stringify gives them
 * @param at bytes of the file that are safe on disk
 */
export function encodeEvents(events: readonly string[], at: number): { bytes: Buffer; ends: readonly number[] } {
  const opening = `{"at":${at},`
  const around = AROUND + opening.length - 1
  const ends: number[] = []
  let end = 0
  for (const json of events) ends.push((end += Buffer.byteLength(json) + around))
  const bytes = Buffer.allocUnsafe(end)
  let start = 0
  events.forEach((json, i) => {
    const end = ends[i] ?? 0
    // the opening's comma takes the place of the event's own brace
    bytes.write(json, start + CHECKSUM + opening.length)
    bytes.write(opening, start + CHECKSUM + 1, 'latin1')
    complete(bytes, start, end)
    start = end
  })
  return { bytes, ends }
}

/** Writes around the JSON of the line in `bytes[start, end)` what else belongs to it. */
function complete(bytes: Buffer, start: number, end: number): void {
  let sum = crc32c(bytes, start + CHECKSUM + 1, end - 1)
  for (let i = start + CHECKSUM - 1; i >= start; i--) {
    bytes[i] = HEX[sum & 15] ?? 0
    sum >>>= 4
  }
  bytes[start + CHECKSUM] = SPACE
  bytes[end - 1] = NEWLINE
}

export interface Line {
  readonly event: RunEvent
  /** Byte offsets in the file; `end` is after the newline. */
  readonly start: number
  readonly end: number
  /** From 1. */
  readonly number: number
}

/** Bytes of the file that are no lines, between lines that are. */
export interface Damage {
  readonly start: number
  readonly end: number
  /** Of the first line that was there, from 1. */
  readonly number: number
}

export interface Scan {
  readonly lines: readonly Line[]
  readonly damages: readonly Damage[]
  /** Up to here the file is good but for `damages`; what follows is torn or not yet written in full. */
  readonly end: number
  /** Number of the line that begins at `end`. */
  readonly next: number
}

/**
 * Reads the lines of `bytes`, which stand at byte `offset` and line `firstLine` (from 1) of `file`. Throws
 * MR_JOURNAL_CORRUPT for a damaged line that had been safe, MR_JOURNAL_VERSION for a file that does not begin as a journal
 * of this format, nor as a torn one.
 */
export function scanLines(bytes: Buffer, offset: number, firstLine: number, file: string): Scan {
  const lines: Line[] = []
  const damages: Damage[] = []
  let number = firstLine
  let bad: { readonly start: number; readonly number: number } | undefined
  for (let from = 0; from < bytes.length; number++) {
    const [start, newline] = [offset + from, bytes.indexOf(NEWLINE, from)]
    const parsed = newline < 0 ? undefined : parseLine(bytes, from, newline)
    if (parsed === undefined) bad ??= { start, number }
    else if (start === 0) checkHeader(parsed, file)
    else {
      const first = damages[0] ?? bad
      if (first !== undefined && (first.start === 0 || Number(parsed['at']) > first.start)) throw corrupt(file, first)
      if (bad !== undefined) damages.push({ ...bad, end: start })
      bad = undefined
      const { at: _, ...event } = parsed
      if (event['type'] !== undefined)
        lines.push({ event: event as unknown as RunEvent, start, end: offset + newline + 1, number })
    }
    if (newline < 0) break
    from = newline + 1
  }
  if (bad?.start === 0 && !HEADER.subarray(0, bytes.length).equals(bytes)) throw foreign(file)
  return { lines, damages, end: bad?.start ?? offset + bytes.length, next: bad?.number ?? number }
}

/** A line that says nothing, as long as what is damaged; `at` as of other lines. */
export function blankLine({ start, end, number }: Damage, at: number, file: string): Buffer {
  const json = `{"at":${at}}`.padEnd(end - start - AROUND)
  if (json.length > end - start - AROUND) throw corrupt(file, { start, number })
  return encodeLine(json)
}

function parseLine(bytes: Buffer, from: number, to: number): Record<string, unknown> | undefined {
  if (to - from < 11 || bytes[from + 8] !== SPACE) return undefined
  const sum = bytes.toString('latin1', from, from + 8)
  if (!/^[0-9a-f]{8}$/.test(sum) || parseInt(sum, 16) !== crc32c(bytes, from + 9, to)) return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8', from + 9, to))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function checkHeader(header: Record<string, unknown>, file: string): void {
  if (header['journal'] === 'millrace' && header['version'] === VERSION) return
  const found = header['journal'] === 'millrace' ? `version ${String(header['version'])}` : 'something else'
  throw new MillraceError('MR_JOURNAL_VERSION', `${file} is a journal of ${found}; this Millrace reads ${VERSION}`, {
    hint: 'use the Millrace that wrote it, or another --home',
  })
}

function foreign(file: string): MillraceError {
  return new MillraceError('MR_JOURNAL_VERSION', `${file} is no journal of Millrace`, {
    hint: 'use another --home; or, if the folder is meant, move this file out of it',
  })
}

export function corrupt(file: string, { start, number }: Omit<Damage, 'end'>): MillraceError {
  return new MillraceError(
    'MR_JOURNAL_CORRUPT',
    `${file}: line ${number} (byte ${start}) does not have its checksum, and later lines do: it was damaged after it was written`,
    {
      hint: `have the disk looked at; then restore the file from a copy, or keep what is before the damage: truncate -s ${start} '${file}'`,
      at: { file, line: number, column: 1 },
    },
  )
}
