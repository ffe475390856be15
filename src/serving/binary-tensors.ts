/**
 * Open Inference Protocol v2, the extension "binary_tensor_data": tensors as raw little-endian bytes after the JSON of a
 * request or an answer. The header Inference-Header-Content-Length says how long the JSON is, the tensor's parameter
 * `binary_data_size` how many bytes are its own. Elements become the values that JSON would hold, so that tensors.ts
 * reads both in one way.
 */
import { isUtf8 } from 'node:buffer'
import type { MillraceError } from '../core/errors.js'
import { type Field, MISSING_TIME } from '../core/schema.js'
import { isObject, refuse, show } from './rows.js'

export const JSON_LENGTH_HEADER = 'inference-header-content-length'

/** An answer with bytes after its JSON. */
export interface BinaryAnswer {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** MR_REQUEST_SHAPE for what breaks the protocol. */
export function malformed(what: string): MillraceError {
  return refuse('MR_REQUEST_SHAPE', `the request is not one of the Open Inference Protocol: ${what}`)
}

/**
 * The JSON of a body with bytes behind it; each tensor with a `binary_data_size` gets its bytes as `data`, a Buffer that
 * shares the body's memory.
 * @param header what Inference-Header-Content-Length says
 * @throws MR_REQUEST_SHAPE, unless the sizes are those of the body to the byte
 */
export function readBinaryBody(body: Buffer, header: string | readonly string[] | undefined): unknown {
  const length = typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined
  if (length === undefined)
    throw malformed(`Inference-Header-Content-Length is ${show(header).slice(0, 80)}, not a number of bytes`)
  if (length > body.length)
    throw malformed(`Inference-Header-Content-Length is ${length}, and the body has ${body.length} bytes`)
  const json = parse(body.subarray(0, length))
  if (!isObject(json) || !Array.isArray(json['inputs'])) return json
  let at = length
  for (const [i, input] of (json['inputs'] as unknown[]).entries()) {
    const size = isObject(input) ? parameter(input, 'binary_data_size') : undefined
    if (size === undefined) continue
    const tensor = input as { name?: unknown; data?: unknown }
    const what = typeof tensor.name === 'string' ? `tensor "${tensor.name}"` : `inputs[${i}]`
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
      throw malformed(`${what}: binary_data_size is ${show(size)}, not a number of bytes`)
    if (tensor.data !== undefined) throw malformed(`${what} has both data and a binary_data_size`)
    if (size > body.length - at)
      throw malformed(`${what}: binary_data_size is ${size}, and ${body.length - at} bytes of the body are left`)
    tensor.data = body.subarray(at, at + size)
    at += size
  }
  if (at < body.length)
    throw malformed(`${body.length - at} bytes of the body belong to no tensor: they follow the last binary_data_size`)
  return json
}

function parse(bytes: Buffer): unknown {
  const what = `the ${bytes.length} bytes that Inference-Header-Content-Length calls JSON`
  if (!isUtf8(bytes)) throw malformed(`${what} are not UTF-8`)
  try {
    return JSON.parse(bytes.toString())
  } catch (error) {
    throw malformed(`${what} are not: ${(error as Error).message}`)
  }
}

/** One of an object's `parameters`; undefined where it has none. */
export function parameter({ parameters }: Readonly<Record<string, unknown>>, name: string): unknown {
  return isObject(parameters) && Object.hasOwn(parameters, name) ? parameters[name] : undefined
}

type Read = (view: DataView, at: number) => number | boolean | null

/** NaN is how a tensor of floats says null. */
const float = (value: number): number | null => (Number.isNaN(value) ? null : value)

/** Bytes of an element, and the element at any offset: a DataView reads where nothing is aligned. */
const FIXED: ReadonlyMap<string, readonly [size: number, read: Read]> = new Map<string, readonly [number, Read]>([
  ['BOOL', [1, (view, at) => bool(view.getUint8(at))]],
  ['INT8', [1, (view, at) => view.getInt8(at)]],
  ['INT16', [2, (view, at) => view.getInt16(at, true)]],
  ['INT32', [4, (view, at) => view.getInt32(at, true)]],
  // rounded once, by the addition: the double that JSON.parse gives for the same digits, without a BigInt
  ['INT64', [8, (view, at) => view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)]],
  ['UINT8', [1, (view, at) => view.getUint8(at)]],
  ['UINT16', [2, (view, at) => view.getUint16(at, true)]],
  ['UINT32', [4, (view, at) => view.getUint32(at, true)]],
  ['UINT64', [8, (view, at) => view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)]],
  ['FP16', [2, (view, at) => float(half(view.getUint16(at, true)))]],
  ['FP32', [4, (view, at) => float(view.getFloat32(at, true))]],
  ['FP64', [8, (view, at) => float(view.getFloat64(at, true))]],
])

/** Bytes other than 0 and 1 stay numbers, which no column takes as truth. */
const bool = (byte: number): number | boolean => (byte < 2 ? byte === 1 : byte)

/** IEEE 754 binary16. */
function half(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023]
  const sign = bits >> 15 === 1 ? -1 : 1
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
}

/**
 * The values of a binary tensor for a column, as JSON would give them; null is NaN of floats, and of times the smallest
 * INT64, as the model's input has it. `datatype` is one that tensors.ts takes for the column.
 * @throws MR_REQUEST_SHAPE unless `bytes` are `rows` elements, MR_REQUEST_VALUE for a text that is not UTF-8
 */
export function readElements(field: Field, datatype: string, bytes: Buffer, rows: number): readonly unknown[] {
  const fixed = FIXED.get(datatype)
  if (fixed === undefined) return readTexts(field, bytes, rows)
  const [size, read] = fixed
  if (bytes.length !== size * rows)
    throw malformed(`tensor "${field.name}" has ${bytes.length} bytes; ${rows} of ${datatype} are ${size * rows}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const time = datatype === 'INT64' && (field.type === 'timestamp' || field.type === 'date')
  const values = new Array<unknown>(rows)
  for (let r = 0; r < rows; r++) {
    const at = r * size
    values[r] = time && view.getBigInt64(at, true) === MISSING_TIME ? null : read(view, at)
  }
  return values
}

/** BYTES: each element behind its length, a UINT32. */
function readTexts({ name }: Field, bytes: Buffer, rows: number): readonly string[] {
  // before memory is taken for them
  if (bytes.length < 4 * rows)
    throw malformed(`tensor "${name}" has ${bytes.length} bytes; the lengths of ${rows} BYTES alone are ${4 * rows}`)
  const values = new Array<string>(rows)
  let at = 0
  for (let r = 0; r < rows; r++) {
    if (bytes.length - at < 4)
      throw malformed(`tensor "${name}", row ${r}: its bytes end before the length of the value`)
    const length = bytes.readUInt32LE(at)
    at += 4
    if (length > bytes.length - at)
      throw malformed(`tensor "${name}", row ${r}: a length of ${length} bytes, and ${bytes.length - at} are left`)
    const text = bytes.toString('utf8', at, at + length)
    // what cannot be decoded becomes U+FFFD, which a text may also hold
    if (text.includes('\ufffd') && !isUtf8(bytes.subarray(at, at + length)))
      throw refuse('MR_REQUEST_VALUE', `column "${name}", row ${r}: the bytes of the text are not UTF-8`)
    values[r] = text
    at += length
  }
  if (at < bytes.length) throw malformed(`tensor "${name}" has ${bytes.length - at} bytes after its last value`)
  return values
}

/** The first value of a tensor that nobody has checked; undefined where there is none. */
export function firstElement(datatype: unknown, bytes: Buffer): unknown {
  if (datatype === 'BYTES') {
    const length = bytes.length < 4 ? Infinity : bytes.readUInt32LE(0)
    return length > bytes.length - 4 ? undefined : bytes.toString('utf8', 4, 4 + length)
  }
  const [size, read] = (typeof datatype === 'string' && FIXED.get(datatype)) || []
  if (size === undefined || read === undefined || bytes.length < size) return undefined
  return read(new DataView(bytes.buffer, bytes.byteOffset, size), 0)
}

/** An output's values as bytes: texts are BYTES, numbers of `datatype` FP32 or FP64. */
export function writeElements(datatype: string, values: readonly string[] | ArrayLike<number>): Buffer {
  if (datatype === 'BYTES') return Buffer.concat((values as readonly string[]).flatMap(withLength))
  // typed arrays are in the machine's order: every machine that ONNX Runtime is built for is little-endian
  const array =
    datatype === 'FP32'
      ? Float32Array.from(values as ArrayLike<number>)
      : Float64Array.from(values as ArrayLike<number>)
  return Buffer.from(array.buffer)
}

function withLength(text: string): Buffer[] {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return [length, bytes]
}

/** The answer of `json` and the bytes of its binary outputs, in their order. */
export function binaryAnswer(json: string, outputs: readonly Buffer[]): BinaryAnswer {
  const head = Buffer.from(json)
  return {
    headers: { 'content-type': 'application/octet-stream', [JSON_LENGTH_HEADER]: String(head.length) },
    body: Buffer.concat([head, ...outputs]),
  }
}
