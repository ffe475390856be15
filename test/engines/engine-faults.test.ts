/** Parts of the cluster die or a disk is full while the engine works: a table is whole and right, or it is not there. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Engine, Written } from '../../src/etl/engine.js'
import { aggregate, call, col, type Expr, int, text } from '../../src/etl/expr.js'
import { aggregated, filter, join as joined, limit, project, scan, type Relation } from '../../src/etl/relation.js'
import { expandSource } from '../../src/etl/source.js'
import { PATIENT } from '../../src/etl/spark/connect/retry.js'
import { openSpark } from '../../src/etl/spark/engine.js'
import { canMount, mount } from '../chaos/small-pipeline.js'
import { heal, kill } from './cluster.js'
import { failure } from './rows.js'

const cluster = inject('spark')
const probe = await mkdtemp(join(tmpdir(), 'millrace-mount-'))
const mayMount = canMount(probe)
await rm(probe, { recursive: true })

const ROWS = 24_000
const KEYS = 8
let engine: Engine
let folder: string
let table: Relation
/** Pairs of rows of one key, counted: tens of millions, which takes a while, and a result that is known. */
let slow: Relation

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-faults-'))
  engine = await openSpark({
    remote: cluster.address,
    shufflePartitions: 4,
    policy: { ...PATIENT, maxDelay: 2000, maxRetries: 150 }, // looks often, so that tests wait for the server alone
  })
  const lines = Array.from({ length: ROWS }, (_, i) => `${i},k${i % KEYS},${i / 7}`)
  await writeFile(join(folder, 'rows.csv'), `id,k,x\n${lines.join('\n')}\n`)
  const { source, schema } = await engine.inferSchema(await expandSource(join(folder, 'rows.csv')))
  table = scan(source, schema)
  const other = project(table, [
    { name: 'k2', expr: col('k') },
    { name: 'id2', expr: col('id') },
  ])
  const pairs = joined(table, other, 'inner', [{ left: col('k'), right: col('k2') }])
  slow = aggregated(
    pairs,
    [{ name: 'k', expr: col('k') }],
    [
      { name: 'n', expr: aggregate('count', []) },
      { name: 'top', expr: aggregate('max', [col('id2')]) },
    ],
  )
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
  await heal(cluster)
})

const expected = Array.from({ length: KEYS }, (_, k) => [`k${k}`, BigInt((ROWS / KEYS) ** 2), BigInt(ROWS - KEYS + k)])

/** Writes `slow`, and strikes once tasks of it run. */
async function writtenWhile(name: string, strike: () => Promise<void>): Promise<Written> {
  let struck: Promise<void> | undefined
  const progress = (): void => void (struck ??= strike())
  const written = await engine.write(slow, { folder: join(folder, name), format: 'parquet' }, progress)
  expect(struck).toBeDefined()
  await struck
  return written
}

async function digestOf(name: string, { files }: Written): Promise<string> {
  const hash = createHash('sha256')
  for (const { path } of files) hash.update(await readFile(join(folder, name, path)))
  return hash.digest('hex')
}

const valuesOf = (rows: Awaited<ReturnType<Engine['rows']>>): unknown[][] => rows.map(({ k, n, top }) => [k, n, top])

async function rowsIn(name: string, { files, schema }: Written): Promise<unknown[][]> {
  const paths = files.map(({ path }) => join(folder, name, path))
  return valuesOf(await engine.rows(scan({ format: 'parquet', paths }, schema)))
}

const nothingHalf = async (): Promise<void> =>
  expect((await readdir(folder)).filter((name) => name.endsWith('.writing'))).toEqual([])

describe('the engine on a cluster that fails', () => {
  it('executors, then the server, die in the middle of a write: the table is the same', async () => {
    const one = await writtenWhile('executors', () => kill(cluster, 'executors'))
    expect(await rowsIn('executors', one)).toEqual(expected)
    const queried: Promise<unknown[][]>[] = []
    const other = await writtenWhile('server', async () => {
      // gave nothing yet
      queried.push(engine.rows(slow).then(valuesOf))
      await kill(cluster, 'connect')
      await heal(cluster)
    })
    expect(await rowsIn('server', other)).toEqual(expected)
    expect((await Promise.all(queried)).map((rows) => rows.sort())).toEqual([expected])
    expect(await digestOf('server', other)).toBe(await digestOf('executors', one))
    await nothingHalf()
  })

  it('a value that no executor has the memory for: told as that, nothing is left, and the cluster goes on', async () => {
    // 40 bytes, 64 times as many four times over: more than an executor's whole heap
    const many = (name: string): Expr => call('concat', ...Array<Expr>(64).fill(col(name)))
    const one = filter(table, call('eq', col('id'), int(0)))
    let huge = project(one, [{ name: 'x0', expr: call('concat', col('k'), text('x'.repeat(38))) }])
    for (let i = 1; i <= 4; i++) huge = project(huge, [{ name: `x${i}`, expr: many(`x${i - 1}`) }])
    const error = await failure(engine.write(huge, { folder: join(folder, 'huge'), format: 'parquet' }))
    expect(error).toMatchObject({ code: 'MR_ENGINE_MEMORY', retryable: false })
    expect(error['hint']).toContain('spark.executor.memory')
    expect(existsSync(join(folder, 'huge'))).toBe(false)
    await nothingHalf()
    expect(await engine.rows(limit(table, 1))).toHaveLength(1)
  })

  it.skipIf(!mayMount)('a full disk: told as one, nothing is left, and whole once there is room', async () => {
    const disk = join(folder, 'disk')
    await mkdir(disk)
    mount(disk, 'size=256k')
    try {
      const target = { folder: join(disk, 'table'), format: 'parquet', compression: 'none' } as const
      await expect(engine.write(table, target)).rejects.toMatchObject({ code: 'MR_DISK_FULL' })
      expect(await readdir(disk)).toEqual([])
      mount(disk, 'remount,size=16m')
      expect((await engine.write(table, target)).rows).toBe(ROWS)
    } finally {
      // lazily: an executor keeps the files of failed attempts open, though they are removed
      spawnSync('umount', ['-l', disk])
    }
  })

  it('a file that goes away after the plan was made is missed, not read as fewer rows', async () => {
    const { files, schema } = await engine.write(table, { folder: join(folder, 'gone'), format: 'parquet' })
    const paths = files.map(({ path }) => join(folder, 'gone', path))
    await rm(paths[0] ?? '')
    const gone = scan({ format: 'parquet', paths, plain: true }, schema)
    await expect(engine.rows(gone)).rejects.toMatchObject({ code: 'MR_FILE_MISSING' })
  })
})
