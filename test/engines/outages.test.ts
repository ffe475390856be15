/** Parts of the cluster are killed, stopped or forget while they work: what then comes, and that the next query runs again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import { PATIENT } from '../../src/etl/spark/connect/retry.js'
import { SparkSession } from '../../src/etl/spark/connect/session.js'
import type { SparkProgress } from '../../src/etl/spark/connect/watch.js'
import { type Cluster, heal, kill } from './cluster.js'
import { failure, LONG, rows } from './rows.js'

const cluster = inject('spark')
/** A server that forgets sessions and operations within seconds: by default it takes an hour and five minutes. */
const forgetful: Cluster = {
  ...cluster,
  confs: [
    ...cluster.confs,
    'spark.connect.session.manager.defaultSessionTimeout=4s',
    'spark.connect.session.manager.maintenanceInterval=1s',
    'spark.connect.execute.manager.detachedTimeout=4s',
    'spark.connect.execute.manager.maintenanceInterval=1s',
  ],
}
/** Some seconds on two cores, and the sum of what it reads. */
const SOME = 'SELECT count(*), sum(id) FROM range(0, 1500000000, 1, 12) WHERE hash(id) IS NOT NULL'
const SUM = [[1_500_000_000n, 1_124_999_999_250_000_000n]]
const looksOften = { ...PATIENT, maxDelay: 2000, maxRetries: 150 } // so that tests wait for the server alone
let spark: SparkSession

/** Resolves when tasks run, with what the query or write comes to. */
async function running(
  begin: (onProgress: (progress: SparkProgress) => void) => Promise<unknown>,
): Promise<{ readonly ended: Promise<unknown> }> {
  let started = (): void => undefined
  const start = new Promise<void>((resolve) => (started = resolve))
  const ended = begin(({ running }) => {
    if (running > 0) started()
  }).catch((error: unknown) => error)
  await Promise.race([start, ended])
  return { ended }
}
const query = (text: string, session = spark) =>
  running((onProgress) => rows(session, session.sql(text), { onProgress }))

const REPORTS = { 'spark.connect.progress.reportInterval': '300ms' }

beforeAll(async () => {
  spark = await SparkSession.connect(cluster.address, { stallAfter: 6000, policy: looksOften })
})
beforeEach(() => spark.config({ ...REPORTS, 'spark.sql.shuffle.partitions': '7' }))
afterAll(async () => {
  await spark[Symbol.asyncDispose]()
  await heal(cluster)
})

describe('workers', () => {
  it('all of them dead: told by the progress reports alone, and run again when they are back', async () => {
    const { ended } = await query(LONG)
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

  it('one that dies is done without, and so is an executor: the right result', async () => {
    const { ended } = await query(SOME)
    await kill(cluster, 'worker1')
    expect(await ended).toEqual(SUM)
    const { ended: again } = await query(SOME)
    await kill(cluster, 'executors')
    expect(await again).toEqual(SUM)
    await heal(cluster)
  })
})

it('a server that is stopped answers nothing: told, and what it did goes on when it does', async () => {
  const pid = Number(await readFile(join(cluster.state, 'connect.pid'), 'utf8'))
  const notices: string[] = []
  const options = {
    silence: 1000,
    policy: looksOften,
    onRetry: ({ reason }: { reason: string }) => notices.push(reason),
  }
  await using patient = await SparkSession.connect(cluster.address, options)
  const impatient = await SparkSession.connect(cluster.address, { ...options, policy: { ...PATIENT, patience: 1000 } })
  await patient.config(REPORTS)
  const { ended } = await query(SOME, patient)
  process.kill(pid, 'SIGSTOP')
  try {
    const lost = failure(impatient.configured(['spark.sql.shuffle.partitions']))
    expect(await failure(SparkSession.connect(cluster.address))).toMatchObject({ code: 'MR_SPARK_UNREACHABLE' })
    expect(await lost).toMatchObject({ code: 'MR_SPARK_LOST', away: true })
    await vi.waitFor(() => expect(notices.join('\n')).toContain('has answered none for'), 10_000)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  expect(await ended).toEqual(SUM)
  await impatient[Symbol.asyncDispose]()
})

describe('a server killed and started again', () => {
  it('in the middle of a query and of a write: both are lost, a write is not just to be done again', async () => {
    const { ended: read } = await query(LONG)
    const target = { format: 'parquet', path: join(cluster.state, 'lost'), mode: 'append' } as const
    const written = spark.write(spark.sql(`SELECT * FROM (${LONG})`), target).catch((error: unknown) => error)
    // it waits for cores
    await systemClock.sleep(1000)
    await kill(cluster, 'connect')
    await heal(forgetful)
    expect(await read).toMatchObject({ code: 'MR_SPARK_LOST', retryable: true, away: false })
    expect(await written).toMatchObject({ code: 'MR_SPARK_LOST', retryable: false, away: false })
    expect(await spark.configured(['spark.sql.shuffle.partitions'])).toEqual(['7'])
    expect(await rows(spark, spark.sql('SELECT count(*) FROM range(9)'))).toEqual([[9n]])
  })

  // on the server that the last test started
  it('has sessions that expire: the next query and the next setting have another one with the same settings', async () => {
    await systemClock.sleep(6000)
    expect(await rows(spark, spark.sql('SELECT 1'))).toEqual([[1]])
    expect(await spark.configured(['spark.sql.shuffle.partitions'])).toEqual(['7'])
    await systemClock.sleep(6000)
    expect(await spark.configured(['spark.sql.shuffle.partitions'])).toEqual(['7'])
  })

  it('ends what a client that was killed had it do', async () => {
    const child = await orphaning()
    child.kill('SIGKILL')
    const began = performance.now()
    expect(await rows(spark, spark.sql('SELECT sum(id) FROM range(10)'))).toEqual([[45n]])
    expect(performance.now() - began).toBeLessThan(30_000)
  })

  it('between two queries: who connects is told within seconds, and the next query runs as configured', async () => {
    await kill(cluster, 'connect')
    const began = performance.now()
    const error = await failure(SparkSession.connect(cluster.address))
    expect(error).toMatchObject({ code: 'MR_SPARK_UNREACHABLE', retryable: true })
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(error.message).toContain('ECONNREFUSED')
    expect(error.message).not.toContain(cluster.token)
    await heal(cluster)
    expect(await rows(spark, spark.sql('SELECT 1'))).toEqual([[1]])
    expect(await spark.configured(['spark.sql.shuffle.partitions'])).toEqual(['7'])
  })
})

/** A process of its own whose query runs on all cores, for minutes. */
async function orphaning(): Promise<ChildProcess> {
  const session = new URL('../../src/etl/spark/connect/session.ts', import.meta.url).href
  const program = `
    const { SparkSession } = await import(${JSON.stringify(session)})
    const spark = await SparkSession.connect(${JSON.stringify(cluster.address)})
    const onProgress = ({ running }) => running > 1 && console.log('running')
    for await (const table of spark.batches(spark.sql(${JSON.stringify(LONG)}), { onProgress })) console.log(table.numRows)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return child
}
