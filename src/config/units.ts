/** Sizes ("64GB") and rates ("10Gbps") as people write them: to bytes and bits per second, and back; and durations ("7d"). */
import { MillraceError } from '../core/errors.js'

export const SIZE_RULE =
  'a size such as 64GB (decimal) or 64GiB (powers of 1024): a number, then B, KB, MB, GB, TB or PB'
export const RATE_RULE = 'a rate such as 10Gbps (bits a second) or 1.25GBps (bytes a second), with K, M, G or T'

export const DURATION_RULE = 'a duration such as 90s, 30m, 12h, 7d or 2w'
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

const POWERS = ['', 'K', 'M', 'G', 'T', 'P']

/**
 * Bytes of a size. GB is 10^9 and GiB is 2^30 (IEC 80000-13), letters in any case. Fractions are rounded to whole bytes.
 * Throws MR_CONFIG_UNIT with the rule.
 */
export function parseSize(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)\s*([kmgtp]?)(i?)b$/i.exec(text.trim())
  const power = POWERS.indexOf((match?.[2] ?? '').toUpperCase())
  if (!match || (match[3] && power === 0)) throw unreadable(text, SIZE_RULE)
  return whole(Number(match[1]) * (match[3] ? 1024 : 1000) ** power, text, SIZE_RULE)
}

/**
 * Bits per second of a rate. A small b is bits, a large B bytes (8 bits); powers are of 1000. `bit/s`, `b/s`, `B/s` too.
 * Throws MR_CONFIG_UNIT with the rule.
 */
export function parseRate(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)\s*([kKmMgGtT]?)(bps|Bps|bit\/s|b\/s|B\/s)$/.exec(text.trim())
  if (!match) throw unreadable(text, RATE_RULE)
  const power = POWERS.indexOf((match[2] ?? '').toUpperCase())
  const bits = match[3]?.startsWith('B') ? 8 : 1
  return whole(Number(match[1]) * 1000 ** power * bits, text, RATE_RULE)
}

/** Seconds of a duration: a number (fractions too), then s, m, h, d or w; a day has 24 hours. Throws MR_CONFIG_UNIT. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,6})?)\s*([smhdw])$/.exec(text.trim())
  const seconds = Number(match?.[1]) * (SECONDS[match?.[2] ?? ''] ?? NaN)
  if (!Number.isFinite(seconds)) throw unreadable(text, DURATION_RULE)
  return seconds
}

/** A size for people: decimal units, at most one digit after the point. 64_000_000_000 -> "64 GB". */
export function formatSize(bytes: number): string {
  let power = 0
  // 999.95 would show as 1000.0, so it belongs to the next power
  while (power < POWERS.length - 1 && bytes / 1000 ** power >= 999.95) power++
  const shown = (bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1).replace(/\.0$/, '')
  return `${shown} ${POWERS[power] ?? ''}B`
}

function whole(value: number, text: string, rule: string): number {
  const rounded = Math.round(value)
  if (!Number.isSafeInteger(rounded) || rounded < 1) throw unreadable(text, rule)
  return rounded
}

function unreadable(text: string, rule: string): MillraceError {
  return new MillraceError('MR_CONFIG_UNIT', `${JSON.stringify(text)} must be ${rule}`)
}
