/** Parts of the cluster are killed while it works: what then comes, and that the next query runs again. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { PATIENT } from '../../src/etl/spark/connect/retry.js'
import { SparkSession } from '../../src/etl/spark/connect/session.js'
import { heal, kill } from './cluster.js'
import { failure, LONG, rows } from './rows.js'

const cluster = inject('spark')
let spark: SparkSession

/** Resolves when tasks run, with what the query comes to. */
async function running(text: string): Promise<{ readonly ended: Promise<unknown> }> {
  let started = (): void => undefined
  const start = new Promise<void>((resolve) => (started = resolve))
  const ended = rows(spark, spark.sql(text), {
    onProgress: ({ running }) => {
      if (running > 0) started()
    },
  }).catch((error: unknown) => error)
  await Promise.race([start, ended])
  return { ended }
}

beforeAll(async () => {
  spark = await SparkSession.connect(cluster.address, {
    stallAfter: 8000,
    policy: { ...PATIENT, maxDelay: 2000, maxRetries: 150 }, // looks often, so that tests wait for the server alone
  })
})
beforeEach(() =>
  spark.config({ 'spark.connect.progress.reportInterval': '300ms', 'spark.sql.shuffle.partitions': '7' }),
)
afterAll(async () => {
  await spark[Symbol.asyncDispose]()
  await heal(cluster)
})

describe('workers', () => {
  it('one that dies is done without: the right result', async () => {
    const { ended } = await running(
      'SELECT count(*), sum(id) FROM range(0, 1500000000, 1, 12) WHERE hash(id) IS NOT NULL',
    )
    await kill(cluster, 'worker1')
    expect(await ended).toEqual([[1_500_000_000n, 1_124_999_999_250_000_000n]])
    await heal(cluster)
  })

  it('all of them dead: told by the progress reports alone, and run again when they are back', async () => {
    const { ended } = await running(LONG)
    await kill(cluster, 'worker1')
    await kill(cluster, 'worker2')
    expect(await ended).toMatchObject({ code: 'MR_SPARK_STALLED', retryable: true })
    const path = join(cluster.state, 'stalled')
    const target = { format: 'parquet', path, mode: 'append' } as const
    expect(await failure(spark.write(spark.sql('SELECT id FROM range(9)'), target))).toMatchObject({
      ...{ code: 'MR_SPARK_STALLED', retryable: false },
    })
    await heal(cluster)
    expect(await rows(spark, spark.sql('SELECT count(*) FROM range(9)'))).toEqual([[9n]])
    // the interrupted write wrote nothing, then or later
    const files = existsSync(path) ? (await readdir(path)).filter((name) => name.endsWith('.parquet')) : []
    expect(files).toEqual([])
  })
})

describe('the server', () => {
  it('killed and started again in the middle of a query: the query is lost, the session goes on', async () => {
    const { ended } = await running(LONG)
    await kill(cluster, 'connect')
    await heal(cluster)
    expect(await ended).toMatchObject({ code: 'MR_SPARK_LOST', retryable: true })
    expect(await spark.configured(['spark.sql.shuffle.partitions'])).toEqual(['7'])
    expect(await rows(spark, spark.sql('SELECT count(*) FROM range(9)'))).toEqual([[9n]])
  })

  it('killed in the middle of a write: nobody is told to just do it again', async () => {
    const target = { format: 'parquet', path: join(cluster.state, 'lost'), mode: 'append' } as const
    let started = (): void => undefined
    const start = new Promise<void>((resolve) => (started = resolve))
    const onProgress = ({ running }: { readonly running: number }) => {
      if (running > 0) started()
    }
    const ended = spark
      .write(spark.sql(`SELECT * FROM (${LONG})`), target, { onProgress })
      .catch((error: unknown) => error)
    await start
    await kill(cluster, 'connect')
    await heal(cluster)
    expect(await ended).toMatchObject({ code: 'MR_SPARK_LOST', retryable: false })
  })

  it('killed and started again between two queries: the next runs, with the same configuration', async () => {
    await kill(cluster, 'connect')
    await heal(cluster)
    expect(await rows(spark, spark.sql('SELECT 1'))).toEqual([[1]])
    expect(await spark.configured(['spark.sql.shuffle.partitions'])).toEqual(['7'])
  })

  it('that stays away is told within seconds to who connects', async () => {
    await kill(cluster, 'connect')
    const began = performance.now()
    const error = await failure(SparkSession.connect(cluster.address))
    expect(error).toMatchObject({ code: 'MR_SPARK_UNREACHABLE', retryable: true })
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(error.message).toContain('ECONNREFUSED')
    expect(error.message).not.toContain(cluster.token)
    await heal(cluster)
  })
})
