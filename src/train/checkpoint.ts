/**
 * A training job's state as one self-describing file: 8 bytes of magic, the length of a JSON header (uint32, little
 * endian), the header, zeros up to a multiple of 8, the float32 vectors named in it, SHA-256 of all before.
 * No times are in it, so equal jobs have equal checkpoints.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { EpochRecord } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import type { OrderPosition } from './order.js'
import type { TrainJob } from './trainer.js'

export interface TrainState {
  /** Steps of all epochs done, for the schedule and Adam's bias correction. */
  steps: number
  position: OrderPosition
  /** Adam's vectors beside the parameters, and the parameters of the best epoch. */
  parameters: Float32Array
  first: Float32Array
  second: Float32Array
  best: Float32Array
  bestEpoch: number
  bestLoss: number
  history: readonly EpochRecord[]
}

const MAGIC = Buffer.from('MILLCKP1', 'latin1')
const VECTORS = ['parameters', 'first', 'second', 'best'] as const
const DIGEST_BYTES = 32

interface Header {
  readonly job: string
  readonly vectors: readonly { readonly name: string; readonly length: number }[]
  readonly steps: number
  readonly position: OrderPosition
  readonly bestEpoch: number
  /** null: infinite, there is none yet. */
  readonly bestLoss: number | null
  readonly history: readonly EpochRecord[]
}

/** What a checkpoint belongs to: all of a job that its numbers depend on (not the number of threads). */
export function jobDigest(job: TrainJob): string {
  const { network, params, task, seed, train, validation } = job
  const rows = [train, validation].map((set) => set.shards.map((shard) => shard.rows))
  return createHash('sha256')
    .update(JSON.stringify([network, params, task, seed, rows]))
    .digest('hex')
}

/** The file's bytes. Seconds of the history are left out (0 after a resume). */
export function encodeCheckpoint(job: TrainJob, state: TrainState): Uint8Array {
  const header: Header = {
    job: jobDigest(job),
    vectors: VECTORS.map((name) => ({ name, length: state[name].length })),
    steps: state.steps,
    position: state.position,
    bestEpoch: state.bestEpoch,
    bestLoss: state.bestLoss,
    history: state.history.map((record) => ({ ...record, seconds: 0 })),
  }
  const text = Buffer.from(JSON.stringify(header))
  const start = Math.ceil((MAGIC.length + 4 + text.length) / 8) * 8
  const floats = VECTORS.reduce((sum, name) => sum + state[name].length, 0)
  const bytes = Buffer.alloc(start + floats * 4 + DIGEST_BYTES)
  MAGIC.copy(bytes)
  bytes.writeUInt32LE(text.length, MAGIC.length)
  text.copy(bytes, MAGIC.length + 4)
  let at = start
  for (const name of VECTORS) {
    const { buffer, byteOffset, byteLength } = state[name]
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at)
    at += byteLength
  }
  createHash('sha256').update(bytes.subarray(0, at)).digest().copy(bytes, at)
  return bytes
}

/** MR_CHECKPOINT_CORRUPT if a bit is not as it was written, MR_CHECKPOINT_MISMATCH if it is another job's. */
export function decodeCheckpoint(job: TrainJob, file: Uint8Array): TrainState {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const corrupt = (what: string): MillraceError =>
    new MillraceError('MR_CHECKPOINT_CORRUPT', `the checkpoint ${what}`, {
      hint: 'resume from an earlier checkpoint, or train from the start',
    })
  if (bytes.length < MAGIC.length + 4 + DIGEST_BYTES) throw corrupt(`has only ${bytes.length} bytes`)
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw corrupt('does not begin as one')
  const end = bytes.length - DIGEST_BYTES
  const digest = createHash('sha256').update(bytes.subarray(0, end)).digest()
  if (!timingSafeEqual(digest, bytes.subarray(end))) throw corrupt('does not match its digest: it is torn or altered')
  const length = bytes.readUInt32LE(MAGIC.length)
  const start = Math.ceil((MAGIC.length + 4 + length) / 8) * 8
  const header =
    start > end ? undefined : readHeader(bytes.toString('utf8', MAGIC.length + 4, MAGIC.length + 4 + length))
  if (header === undefined) throw corrupt('has a header that says nothing sensible')
  const expected = jobDigest(job)
  if (header.job !== expected)
    throw new MillraceError(
      'MR_CHECKPOINT_MISMATCH',
      `the checkpoint was written by job ${header.job.slice(0, 12)}, not by this one (${expected.slice(0, 12)}): ` +
        'network, parameters, seed and rows must be the same',
      { hint: 'train from the start' },
    )
  const floats = header.vectors.reduce((sum, vector) => sum + vector.length, 0)
  if (start + floats * 4 !== end) throw corrupt(`names ${floats} numbers and holds ${(end - start) / 4}`)
  let at = start
  const vectors = header.vectors.map(({ length: size }) => {
    const vector = new Float32Array(size)
    new Uint8Array(vector.buffer).set(bytes.subarray(at, at + size * 4))
    at += size * 4
    return vector
  }) as [Float32Array, Float32Array, Float32Array, Float32Array]
  const [parameters, first, second, best] = vectors
  const { steps, position, bestEpoch, bestLoss, history } = header
  return { steps, position, parameters, first, second, best, bestEpoch, bestLoss: bestLoss ?? Infinity, history }
}

/** The header, if it has all that a header has; the digest vouches for the bytes, not for who wrote them. */
function readHeader(text: string): Header | undefined {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(found)) return undefined
  const { job, vectors, steps, position, bestEpoch, bestLoss, history } = found
  const isHeader =
    typeof job === 'string' &&
    Array.isArray(vectors) &&
    vectors.length === VECTORS.length &&
    vectors.every((vector, i) => isObject(vector) && vector['name'] === VECTORS[i] && isCount(vector['length'])) &&
    isObject(position) &&
    [steps, bestEpoch, position['seed'], position['epoch'], position['step']].every(isCount) &&
    (typeof bestLoss === 'number' || bestLoss === null) &&
    Array.isArray(history) &&
    history.every((record) => isObject(record) && isCount(record['epoch']) && isObject(record['metrics']))
  return isHeader ? (found as unknown as Header) : undefined
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
