/**
 * Which version of a model a request goes to: pure functions of the request's key. The same key gives the same answer in
 * every process and after every restart, and a larger share keeps whom a smaller one had.
 */
import { MillraceError } from '../core/errors.js'
import { firstElement } from './binary-tensors.js'
import { isObject } from './rows.js'

/** A version that takes part of a model's requests: as canary it answers them, as shadow it is only compared. */
export interface Split {
  /** `models:/NAME@ALIAS`, `models:/NAME/VERSION` or a path to a model file. */
  readonly source: string
  /** From 0 to 1. */
  readonly share: number
}

/**
 * `5%`, `0.5%` or `0.05` as a number from 0 to 1.
 * @param flag the option that it was given for; MR_USAGE names it
 */
export function parseShare(text: string, flag: string): number {
  const match = /^(\d{1,3}(?:\.\d{1,9})?)(%?)$/.exec(text.trim())
  const share = match ? Number(match[1]) / (match[2] === '%' ? 100 : 1) : NaN
  if (!(share >= 0 && share <= 1))
    throw new MillraceError('MR_USAGE', `${flag}: ${JSON.stringify(text)} is no share from 0% to 100%`, {
      hint: `write 5% or 0.05`,
    })
  return share
}

/** `SOURCE=SHARE`; without a share it is `whole`, or MR_USAGE where there is no such. */
export function parseSplit(text: string, flag: string, whole?: number): Split {
  // a share follows the last =; a path may hold others
  const match = /^(.+)=([\d.]+%?)$/s.exec(text)
  if (match) return { source: match[1] as string, share: parseShare(match[2] as string, flag) }
  if (whole !== undefined && !/=[^/]*$/.test(text)) return { source: text, share: whole }
  throw new MillraceError('MR_USAGE', `${flag}: ${JSON.stringify(text)} does not say a share of the requests`, {
    hint: `write ${flag} models:/NAME@challenger=5%`,
  })
}

/**
 * A number from 0 up to 1 for a key: FNV-1a over its UTF-16 units, begun at a hash of `salt`, through the finalizer of
 * MurmurHash3, so that different salts draw independently.
 */
export function draw(key: string, salt: string): number {
  return mixed(fnv(key, mixed(fnv(salt, 0x811c9dc5)))) / 2 ** 32
}

function fnv(text: string, start: number): number {
  let hash = start
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

function mixed(hash: number): number {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/**
 * The value of `column` in a request's first row, whatever shape the request has (rows.ts, tensors.ts); undefined where
 * it is missing. The request is not checked here.
 */
export function keyOf(body: unknown, column: string): string | undefined {
  return text(Array.isArray(body) ? inRecords(body, column) : isObject(body) ? inObject(body, column) : undefined)
}

function inObject(body: Readonly<Record<string, unknown>>, column: string): unknown {
  const { dataframe_records: records, instances, inputs, dataframe_split: split } = body
  if (isObject(split)) {
    const { columns, data } = split
    if (!Array.isArray(columns) || !Array.isArray(data)) return undefined
    const row = (data as unknown[])[0]
    return Array.isArray(row) ? (row as unknown[])[columns.indexOf(column)] : undefined
  }
  if (isObject(inputs)) return first(own(inputs, column))
  if (!Array.isArray(inputs)) return inRecords(records ?? instances, column)
  const tensor = (inputs as unknown[]).find((item) => isObject(item) && item['name'] === column && 'data' in item)
  if (!isObject(tensor)) return inRecords(inputs, column)
  const { data, datatype } = tensor
  return Buffer.isBuffer(data) ? firstElement(datatype, data) : first(data)
}

function inRecords(records: unknown, column: string): unknown {
  const row = Array.isArray(records) ? (records as unknown[])[0] : undefined
  return isObject(row) ? own(row, column) : undefined
}

const own = (record: Readonly<Record<string, unknown>>, column: string): unknown =>
  Object.hasOwn(record, column) ? record[column] : undefined

/** [N, 1] as well as [N]. */
function first(values: unknown): unknown {
  const value = Array.isArray(values) ? (values as unknown[])[0] : undefined
  return Array.isArray(value) ? (value as unknown[])[0] : value
}

function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}
