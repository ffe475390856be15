/** What Millrace keeps or is given as files: model files, journals, memo entries, manifests, checkpoints, shards, data. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll } from 'vitest'
import { loanModel } from '../models.js'
import { isArtifactRef } from '../../src/core/artifact-store.js'
import { sha256Json } from '../../src/core/json.js'
import { openMemo } from '../../src/core/memo.js'
import { openDuckDb } from '../../src/etl/duckdb/engine.js'
import { scan } from '../../src/etl/relation.js'
import { expandSource } from '../../src/etl/source.js'
import { encodeEvents, HEADER, scanLines } from '../../src/pipeline/journal-format.js'
import { readModelFile } from '../../src/serving/model-file.js'
import { readManifest } from '../../src/stages/published-table.js'
import { decodeCheckpoint, encodeCheckpoint, type TrainState } from '../../src/train/checkpoint.js'
import { NpyFile, npyHeader } from '../../src/train/npy.js'
import type { TrainJob } from '../../src/train/trainer.js'
import { fuzz, hostile, json, mutated } from './fuzz.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-fuzz-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string): string => join(folder, name)
const text = (...lines: string[]): Uint8Array => new TextEncoder().encode(`${lines.join('\n')}\n`)

fuzz('model file', {
  cases: mutated([loanModel(), loanModel({ regression: true })]),
  parse: (bytes) => readModelFile(bytes),
  runs: 1_500,
  codes: /^MR_MODEL_FILE_/,
})
fuzz('metadata of a model file', {
  cases: fc.dictionary(
    fc.oneof(fc.constantFrom('inputs', 'task', 'windows', 'threshold', 'leftOut', 'seed', 'name', 'label'), hostile),
    json,
  ),
  parse: (metadata) => readModelFile(loanModel({ metadata })),
  runs: 500,
  codes: /^MR_MODEL_FILE_/,
})

const events = encodeEvents(
  ['run-started', 'stage-started', 'run-finished'].map((type, i) =>
    JSON.stringify({ type, run: 'r', time: i, name: 'x', stages: [], argv: ['a'], config: {} }),
  ),
  HEADER.length,
).bytes
fuzz('journal', {
  cases: mutated([HEADER, Buffer.concat([HEADER, events]), Buffer.concat([HEADER, events, events])]),
  parse: (bytes) => scanLines(Buffer.from(bytes), 0, 1, 'journal').lines,
  runs: 2_000,
  codes: /^MR_JOURNAL_/,
})

const memo = await openMemo(at('memo'), { scope: 'fuzz' })
const entry = at(`memo/${sha256Json(['fuzz', 'key']).slice('sha256:'.length)}.json`)
fuzz('memo entry', {
  cases: fc.oneof(
    mutated([text('0'.repeat(64), '{"a":[1,{"#":"NaN"}]}')]),
    json.map((value) => value ?? null),
  ),
  async parse(given) {
    if (given instanceof Uint8Array) writeFileSync(entry, given)
    else await memo.put('key', given)
    return memo.get('key')
  },
  runs: 400,
})
fuzz('reference to an artifact', { cases: json, parse: isArtifactRef, runs: 1_000 })

const manifest = {
  ...{ format: 1, table: 't', schema: [], rows: 1, partitionBy: [], keys: [], parts: [] },
  files: [{ path: 'a.parquet', rows: 1, bytes: 1, digest: 'sha256:00' }],
}
writeFileSync(join(folder, 'secret.parquet'), '')
fuzz('manifest of a published table', {
  cases: fc.oneof(
    mutated([text(JSON.stringify(manifest))]),
    fc.tuple(hostile, json).map(([path, any]) => text(JSON.stringify({ ...manifest, files: [{ path }], any }))),
    json.map((any) => text(JSON.stringify(any))),
  ),
  async parse(bytes) {
    const table = at('published')
    await openMemo(table, { scope: '' })
    writeFileSync(join(table, 'manifest.json'), bytes)
    writeFileSync(join(table, 'a.parquet'), '')
    const { paths } = await expandSource(table)
    if (paths.some((path) => !path.startsWith(`${table}/`))) throw new Error(`leads out: ${paths.join()}`)
    return [paths, await readManifest(table)]
  },
  runs: 400,
  codes: /^MR_(FILE|SOURCE)_/,
})

const rows = Buffer.alloc(3 * 2 * 4, 1)
fuzz('shard', {
  cases: mutated([Buffer.concat([npyHeader('float32', 3, 2), rows]), Buffer.concat([npyHeader('int32', 6), rows])]),
  parse(bytes) {
    writeFileSync(at('shard.npy'), bytes)
    const file = NpyFile.open(at('shard.npy'))
    const { rows, columns = 1 } = file
    file.close()
    if (rows * columns * 4 > bytes.length) throw new Error('more values than bytes')
    return [rows, columns]
  },
  runs: 1_000,
  codes: /^MR_SHARD_CORRUPT$/,
})

const shard = { rows: 0, numeric: 1, categories: 0, label: 'int32', shards: [] } as const
const job: TrainJob = {
  network: { numeric: 1, categories: [], hidden: [], outputs: 1, task: 'regression' },
  params: {
    ...{ hidden: [], dropout: 0, batchSize: 1, maxEpochs: 1, learningRate: 0.1, weightDecay: 0, clipNorm: 0 },
    ...{ schedule: 'constant', warmup: 0, patience: 0, checkpointEvery: 1 },
  },
  task: { kind: 'regression' },
  ...{ seed: 1, threads: 1, train: shard, validation: shard },
}
const vectors = Object.fromEntries(
  ['parameters', 'first', 'second', 'best'].map((name) => [name, Float32Array.of(1, 2)]),
) as Pick<TrainState, 'parameters' | 'first' | 'second' | 'best'>
const checkpoint = encodeCheckpoint(job, {
  ...{ ...vectors, steps: 1, position: { seed: 1, epoch: 1, step: 0 }, bestEpoch: 1, bestLoss: 0.5 },
  history: [{ epoch: 1, learningRate: 0.1, trainLoss: 1, validationLoss: 1, metrics: {} }],
})
/** As bytes that nobody tore: the digest is right again. */
const signed = (bytes: Uint8Array): Uint8Array => {
  const body = bytes.subarray(0, Math.max(0, bytes.length - 32))
  return Buffer.concat([body, createHash('sha256').update(body).digest()])
}
const headerText = Buffer.from(checkpoint.subarray(12, 12 + Buffer.from(checkpoint).readUInt32LE(8)))
/** A checkpoint with another header. */
const headed = (header: string): Uint8Array => {
  const start = Buffer.alloc(Math.ceil((12 + Buffer.byteLength(header)) / 8) * 8)
  start.write('MILLCKP1', 'latin1')
  start.writeUInt32LE(Buffer.byteLength(header), 8)
  start.write(header, 12)
  return signed(Buffer.concat([start, Buffer.alloc(4 * 2 * 4 + 32, 1)]))
}
fuzz('checkpoint', {
  cases: fc.oneof(
    mutated([checkpoint]),
    mutated([checkpoint]).map(signed),
    mutated([headerText]).map((bytes) => headed(new TextDecoder().decode(bytes))),
    fc
      .dictionary(fc.constantFrom('vectors', 'steps', 'position', 'bestEpoch', 'bestLoss', 'history', 'job'), json)
      .map((other) => headed(JSON.stringify({ ...(JSON.parse(headerText.toString()) as object), ...other }))),
  ),
  parse(bytes) {
    const { parameters, first, second, best } = decodeCheckpoint(job, bytes)
    if ([parameters, first, second, best].reduce((sum, { byteLength }) => sum + byteLength, 0) > bytes.length)
      throw new Error('more numbers than bytes')
    return parameters.length
  },
  runs: 2_000,
  codes: /^MR_CHECKPOINT_(CORRUPT|MISMATCH)$/,
})

const csv = text('a,b,when', '1,"x, ""y""",2021-01-01', '2.5,,2021-02-01', ',😀,')
const ndjson = text('{"a":1,"b":{"c":[1,null]}}', '{"a":2.5,"b":null}', '{"a":null,"__proto__":1}')
const connection = await (await DuckDBInstance.create()).connect()
await connection.run(
  `COPY (SELECT i AS a, 'text ' || i AS b, DATE '2021-01-01' + i::INT AS d FROM range(50) t(i)) TO '${at('x.parquet')}'`,
)
connection.closeSync()
const { readFileSync } = await import('node:fs')
const parquet = readFileSync(at('x.parquet'))
const engine = await openDuckDb({ threads: 1, memoryLimit: '512MB', tempFolder: at('spill') })
afterAll(() => engine[Symbol.asyncDispose]())
const kinds: readonly [string, Uint8Array, number][] = [
  ['data.csv', csv, 60],
  ['data.csv.gz', gzipSync(csv), 60],
  ['data.jsonl', ndjson, 60],
  ['data.parquet', parquet, 100],
]
for (const [name, bytes, runs] of kinds)
  fuzz(`data, ${name}`, {
    cases: mutated([bytes]),
    async parse(given) {
      writeFileSync(at(name), given)
      const source = await expandSource(at(name))
      const { schema } = await engine.inferSchema(source)
      return [schema, (await engine.rows(scan(source, schema))).slice(0, 100)]
    },
    runs,
    codes: /^MR_(SOURCE|ENGINE|PLAN)_/,
  })
