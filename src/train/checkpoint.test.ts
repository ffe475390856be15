/** Checkpoint files: what goes in comes out; any altered bit is found. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeCheckpoint, encodeCheckpoint, jobDigest, type TrainState } from './checkpoint.js'
import type { TrainJob } from './trainer.js'

const empty = { rows: 0, numeric: 2, categories: 0, label: 'int32', shards: [] } as const
const job: TrainJob = {
  network: { numeric: 2, categories: [], hidden: [3], outputs: 2, task: 'classification' },
  params: {
    hidden: [3],
    dropout: 0,
    batchSize: 4,
    maxEpochs: 5,
    learningRate: 0.1,
    weightDecay: 0,
    clipNorm: 0,
    schedule: 'constant',
    warmup: 0,
    patience: 0,
    checkpointEvery: 1,
  },
  task: { kind: 'classification', classes: ['a "quoted" ☃', '__proto__'], positive: undefined },
  seed: 3,
  threads: 1,
  train: { ...empty, rows: 8, shards: [{ rows: 8, numeric: 'n', label: 'l' }] },
  validation: empty,
}
const record = {
  epoch: 1,
  learningRate: 0.1,
  trainLoss: 0.5,
  validationLoss: 0.25,
  metrics: { accuracy: 1 },
  seconds: 2.5,
}
const state: TrainState = {
  steps: 2,
  position: { seed: 3, epoch: 2, step: 0 },
  parameters: Float32Array.of(1, -0, 1e-45, 3.4e38),
  first: Float32Array.of(2, 0, 0, 1),
  second: Float32Array.of(3, 0, 0, 1),
  best: Float32Array.of(4, 0, 0, 1),
  bestEpoch: 1,
  bestLoss: 0.25,
  history: [record],
}

describe('checkpoint', () => {
  test('gives back the state, without seconds', () => {
    const found = decodeCheckpoint(job, encodeCheckpoint(job, state))
    expect(found).toEqual({ ...state, history: [{ ...record, seconds: 0 }] })
  })

  test('has the same bytes whatever the clock said', () => {
    const later = { ...state, history: [{ ...record, seconds: 99 }] }
    expect(Buffer.compare(encodeCheckpoint(job, later), encodeCheckpoint(job, state))).toBe(0)
  })

  test('any flipped bit, any cut and any addition is found', () => {
    const bytes = encodeCheckpoint(job, state)
    const corrupt = expect.objectContaining({ code: 'MR_CHECKPOINT_CORRUPT' }) as Error
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const flipped = Uint8Array.from(bytes)
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(() => decodeCheckpoint(job, flipped)).toThrow(corrupt)
      }),
      { numRuns: 300 },
    )
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeCheckpoint(job, bytes.subarray(0, length))).toThrow(corrupt)
    expect(() => decodeCheckpoint(job, Buffer.concat([bytes, Buffer.alloc(4)]))).toThrow(corrupt)
  })

  test('before the first best epoch the best loss is infinite, also when it is read again', () => {
    expect(decodeCheckpoint(job, encodeCheckpoint(job, { ...state, bestLoss: Infinity })).bestLoss).toBe(Infinity)
  })

  test('a header that is none is refused, also under a right digest', () => {
    const bytes = Buffer.from(encodeCheckpoint(job, state))
    const length = bytes.readUInt32LE(8)
    const header = JSON.parse(bytes.toString('utf8', 12, 12 + length)) as Record<string, unknown>
    const floats = bytes.subarray(Math.ceil((12 + length) / 8) * 8, -32)
    const under = (text: string, said = Buffer.byteLength(text)) => {
      const body = Buffer.alloc(Math.ceil((12 + Buffer.byteLength(text)) / 8) * 8)
      body.write('MILLCKP1', 'latin1')
      body.writeUInt32LE(said, 8)
      body.write(text, 12)
      const whole = Buffer.concat([body, floats])
      return Buffer.concat([whole, createHash('sha256').update(whole).digest()])
    }
    expect(decodeCheckpoint(job, under(JSON.stringify(header)))).toEqual(decodeCheckpoint(job, bytes))
    const corrupt = expect.objectContaining({ code: 'MR_CHECKPOINT_CORRUPT' }) as Error
    const names = ['parameters', 'first', 'second', 'best']
    const others = [
      ...Object.keys(header).map((key) => ({ ...header, [key]: undefined })),
      { ...header, vectors: names.map((name) => ({ name, length: 2 ** 40 })) },
      { ...header, vectors: names.map((name) => ({ name, length: 3 })) },
      { ...header, vectors: names.map((name, i) => ({ name, length: [8, -4, 8, 4][i] })) },
      { ...header, history: [null] },
    ].map((other) => JSON.stringify(other))
    for (const text of [...others, 'null', '[]', '{', '{"job":1}'])
      expect(() => decodeCheckpoint(job, under(text)), text).toThrow(corrupt)
    expect(() => decodeCheckpoint(job, under(JSON.stringify(header), 2 ** 31))).toThrow(corrupt)
  })

  test('belongs to one job, on any number of threads and in any folder', () => {
    const bytes = encodeCheckpoint(job, state)
    const moved = { ...job, threads: 8, train: { ...job.train, shards: [{ rows: 8, numeric: 'm', label: 'k' }] } }
    expect(jobDigest(moved)).toBe(jobDigest(job))
    const mismatch = expect.objectContaining({ code: 'MR_CHECKPOINT_MISMATCH' }) as Error
    const others: TrainJob[] = [
      { ...job, seed: 4 },
      { ...job, params: { ...job.params, learningRate: 0.2 } },
      { ...job, network: { ...job.network, hidden: [4] } },
      { ...job, train: { ...job.train, shards: [{ rows: 9, numeric: 'n', label: 'l' }] } },
    ]
    for (const other of others) expect(() => decodeCheckpoint(other, bytes)).toThrow(mismatch)
  })
})
