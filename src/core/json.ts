/** One text for one value: canonical JSON, so that equal values have equal digests. */
import { createHash } from 'node:crypto'
import { MillraceError } from './errors.js'

const DEEPEST = 500

/**
 * JSON without spaces, keys in ascending order of UTF-16 units, numbers as ECMAScript writes them (RFC 8785; -0 is 0).
 * Takes null, booleans, finite numbers, strings, arrays and plain objects. Throws MR_JSON_UNREPRESENTABLE, naming the
 * place, for anything that would be lost or changed silently: NaN, Infinity, undefined, functions, symbols, bigints,
 * dates, maps, typed arrays, class instances, cycles.
 */
export function canonicalJson(value: unknown): string {
  return write(value, [])
}

/** The sha256 of the canonical JSON, as `sha256:<hex>`. */
export function sha256Json(value: unknown): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`
}

function write(value: unknown, path: (string | number)[]): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'number':
      if (!Number.isFinite(value)) throw refuse(path, String(value))
      return String(value === 0 ? 0 : value)
    case 'object':
      break
    default:
      throw refuse(path, typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`)
  }
  if (value === null) return 'null'
  if (path.length > DEEPEST) throw refuse(path, `nesting deeper than ${DEEPEST} (a cycle?)`)
  const parts: string[] = []
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      path.push(i)
      parts.push(write(value[i], path))
      path.pop()
    }
    return `[${parts.join()}]`
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw refuse(path, `an instance of ${value.constructor?.name || 'a class'}`)
  }
  const record = value as Readonly<Record<string, unknown>>
  for (const key of Object.keys(record).sort()) {
    path.push(key)
    parts.push(`${JSON.stringify(key)}:${write(record[key], path)}`)
    path.pop()
  }
  return `{${parts.join()}}`
}

function refuse(path: readonly (string | number)[], what: string): MillraceError {
  const shown = path.length > 12 ? [...path.slice(0, 12), '…'] : path
  const place = shown.length === 0 ? 'the value' : formatPath(shown)
  return new MillraceError('MR_JSON_UNREPRESENTABLE', `${place} is ${what}, which JSON cannot hold`, {
    hint: 'use null, booleans, finite numbers, text, lists and plain objects',
  })
}

/** A path as people write it: `features.columns["a b"].0`. */
export function formatPath(path: readonly (string | number)[]): string {
  return path
    .map((step, i) => {
      if (/^[\p{L}\p{N}_$…-]+$/u.test(String(step))) return i === 0 ? String(step) : `.${step}`
      return `[${JSON.stringify(step)}]`
    })
    .join('')
}
