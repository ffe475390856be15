/** Calls between the client and a real Spark fail on purpose: no row is lost or repeated, nothing is executed twice. */
import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { ExecutePlanResponseSchema } from '../../src/etl/spark/connect/connect_pb.js'
import { SparkSession } from '../../src/etl/spark/connect/session.js'
import { FaultyServer } from '../spark/faulty-server.js'
import { failure, rows } from './rows.js'

const cluster = inject('spark')
let proxy: FaultyServer
let spark: SparkSession
const notices: string[] = []

beforeEach(async () => {
  notices.length = 0
  proxy = await FaultyServer.start(cluster.endpoint)
  spark = await SparkSession.connect(`${proxy.address}/;token=${cluster.token}`, {
    onRetry: ({ reason }) => notices.push(reason),
  })
})
afterEach(async () => {
  await spark[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
})

const MANY = "SELECT id, repeat('x', 90) AS s FROM range(0, 100000, 1, 4)"

async function complete(): Promise<void> {
  let next = 0n
  for await (const table of spark.batches(spark.sql(MANY)))
    for (const id of table.getChildAt(0)) expect(id).toBe(next++)
  expect(next).toBe(100_000n)
}

describe('a stream that breaks', () => {
  it.each([
    ['is cut', { code: status.UNAVAILABLE }],
    ['is taken by another reader', { code: status.INTERNAL, details: '[INVALID_CURSOR.DISCONNECTED] planned' }],
    ['is reset', { code: status.INTERNAL, details: 'Received RST_STREAM with code 2' }],
    ['is cancelled on the way', { code: status.CANCELLED }],
    ['ends early', undefined],
  ])('and %s goes on where it was', async (_, error) => {
    const end = error === undefined ? {} : { error }
    proxy.plan(
      { method: 'ExecutePlan', after: 3, ...end },
      { method: 'ReattachExecute', after: 2, ...end },
      { method: 'ReattachExecute', after: 1, ...end },
    )
    await complete()
    expect(proxy.count('ExecutePlan')).toBe(1)
    expect(proxy.count('ReattachExecute')).toBeGreaterThanOrEqual(3)
    expect(notices).toHaveLength(error === undefined ? 0 : 3)
  })

  it('and whose server answers elsewhere is lost', async () => {
    const change = (bytes: Uint8Array): Uint8Array =>
      toBinary(
        ExecutePlanResponseSchema,
        create(ExecutePlanResponseSchema, {
          ...fromBinary(ExecutePlanResponseSchema, bytes),
          serverSideSessionId: 'another',
        }),
      )
    proxy.plan({ method: 'ExecutePlan', change })
    expect(await failure(rows(spark, spark.sql('SELECT 1')))).toMatchObject({ code: 'MR_SPARK_LOST', retryable: true })
  })
})

describe('a request that is lost', () => {
  it('on its way there is sent again', async () => {
    proxy.plan({ method: 'ExecutePlan', forward: false, error: { code: status.UNAVAILABLE } })
    await complete()
    expect(proxy.calls.filter((method) => /Execute/.test(method)).slice(0, 3)).toEqual([
      ...['ExecutePlan', 'ReattachExecute', 'ExecutePlan'],
    ])
  })

  it('with its answer is not executed again: a write writes once', async () => {
    const path = join(cluster.state, `once-${randomUUID()}`)
    proxy.plan(
      { method: 'ExecutePlan', error: { code: status.UNAVAILABLE } },
      { method: 'ReattachExecute', error: { code: status.UNAVAILABLE } },
    )
    const target = { format: 'parquet', path, mode: 'append', observe: { rows: 'count(*)' } } as const
    expect(await spark.write(spark.sql('SELECT id FROM range(0, 10, 1, 1)'), target)).toEqual({ rows: 10n })
    expect(proxy.count('ExecutePlan')).toBe(1)
    expect((await readdir(path)).filter((name) => name.endsWith('.parquet'))).toHaveLength(1)
  })

  it('of the short kind is sent again', async () => {
    proxy.plan(
      { method: 'AnalyzePlan', forward: false, error: { code: status.UNAVAILABLE } },
      { method: 'AnalyzePlan', error: { code: status.UNAVAILABLE } },
      { method: 'Config', error: { code: status.UNAVAILABLE } },
    )
    expect(await spark.schema(spark.sql('SELECT 1 AS a'))).toEqual([{ name: 'a', type: 'int', nullable: false }])
    await spark.config({ 'spark.sql.shuffle.partitions': '5' })
    expect(await spark.configured(['spark.sql.shuffle.partitions'])).toEqual(['5'])
    expect(notices).toEqual(['planned', 'planned', 'planned'])
  })

  it('to tell an error leaves the short form of it', async () => {
    proxy.plan({ method: 'FetchErrorDetails', forward: false, error: { code: status.UNAVAILABLE } })
    expect(await failure(rows(spark, spark.sql('SELECT nope FROM range(2)')))).toMatchObject({
      ...{ code: 'MR_SPARK_QUERY', errorClass: 'UNRESOLVED_COLUMN.WITH_SUGGESTION' },
    })
  })
})

it('what was taken is released every few megabytes, not at every batch', async () => {
  let [batches, bytes] = [0, 0]
  for await (const table of spark.batches(spark.sql("SELECT id, repeat('x', 200) AS s FROM range(0, 100000, 1, 4)"))) {
    batches++
    bytes += table.numRows * 212
  }
  expect(bytes).toBeGreaterThan(20e6)
  const releases = proxy.count('ReleaseExecute')
  expect(releases).toBeGreaterThanOrEqual(4)
  expect(releases).toBeLessThan(batches)
})
