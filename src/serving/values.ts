/**
 * One JSON value of a request to the number, text or time that the model takes, by the column's type. null is missing
 * everywhere. Nothing is guessed: a number in quotes is refused, so that a client's mistake does not become a
 * prediction.
 *
 * Timestamps and dates: ISO 8601 text (`2024-05-01`, `2024-05-01T12:30:00.25Z`, without an offset UTC), or a whole
 * number of milliseconds since 1970 UTC as JavaScript's Date.now() and pandas write, or, from 1e14 on, of microseconds
 * (1e14 ms is the year 5138, 1e14 us is 1973). Tensors of INT64 are always microseconds, as the model's input is.
 */
import { type ColumnType, MISSING_TIME } from '../core/schema.js'

/** What a value of the type must look like, for messages. */
export const EXPECTED: Readonly<Record<ColumnType, string>> = {
  number: 'a number or null',
  integer: 'a whole number or null',
  boolean: 'true, false or null',
  text: 'a text or null',
  timestamp: 'an ISO 8601 text, a whole number of milliseconds since 1970, or null',
  date: 'an ISO 8601 date, a whole number of milliseconds since 1970, or null',
}

const US_PER_DAY = 86_400_000_000n

/** NaN where missing; undefined where it is not a value of the type. */
export function numeric(value: unknown, type: ColumnType): number | undefined {
  if (typeof value === 'number') {
    if (type === 'number') return Number.isFinite(value) ? value : undefined
    if (type === 'integer') return Number.isInteger(value) ? value : undefined
    return value === 0 || value === 1 ? value : undefined
  }
  if (value === null) return NaN
  return type === 'boolean' && typeof value === 'boolean' ? Number(value) : undefined
}

/** '' where missing; undefined where it is not a text. */
export function textual(value: unknown): string | undefined {
  return typeof value === 'string' ? value : value === null ? '' : undefined
}

/** Microseconds since 1970 UTC, MISSING_TIME where missing; undefined where it is no time. Dates are cut to midnight. */
export function temporal(value: unknown, type: ColumnType, unit: 'us' | 'guess' = 'guess'): bigint | undefined {
  let time: bigint | undefined
  if (value === null || value === '') return MISSING_TIME
  else if (typeof value === 'string') time = parseTime(value)
  else if (typeof value === 'number' && Number.isSafeInteger(value))
    time = BigInt(value) * (unit === 'us' || Math.abs(value) >= 1e14 ? 1n : 1000n)
  if (time === undefined || type !== 'date') return time
  const rest = time % US_PER_DAY
  return time - (rest < 0n ? rest + US_PER_DAY : rest)
}

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:(Z)|([+-])(\d\d)(?::?(\d\d))?)?)?$/i

/** ISO 8601 to microseconds; digits past the sixth are cut. Undefined where it is no such text or no such day. */
function parseTime(text: string): bigint | undefined {
  const match = ISO.exec(text)
  if (!match) return undefined
  const part = (i: number): number => Number(match[i] ?? 0)
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)]
  if (hour > 23 || minute > 59 || second > 59 || part(10) > 23 || part(11) > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  date.setUTCHours(hour, minute, second)
  const offset = (match[9] === '-' ? -1 : 1) * (part(10) * 60 + part(11)) * 60_000
  const micros = (match[7] ?? '').padEnd(6, '0').slice(0, 6)
  return BigInt(date.getTime() - offset) * 1000n + BigInt(micros)
}
