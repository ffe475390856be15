/** The engine on a cluster: Spark, through Spark Connect, behind `Engine`. The cluster sees this machine's folders. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { MillraceError } from '../../core/errors.js'
import { fileError, makeFolder } from '../../core/files.js'
import type { Memo } from '../../core/memo.js'
import { inferSchema } from '../duckdb/infer.js'
import { type DuckDbOptions, openSession } from '../duckdb/session.js'
import type { Engine } from '../engine.js'
import { scan, type Relation } from '../relation.js'
import { dialect } from '../sql/compile.js'
import { spark } from '../sql/spark-scan.js'
import type { Cluster } from './cluster.js'
import { SparkSession, type SessionOptions } from './connect/session.js'
import { sparkEngineError } from './errors.js'
import { FILES_AT_ONCE } from './order.js'
import { prepared } from './prepare.js'
import { dataset, foundEarly, listed, rowObjects } from './query.js'
import { locatedAt, pattern } from './reads.js'
import { settings } from './settings.js'
import { statistics } from './statistics.js'
import { writeTable } from './write.js'

export interface SparkOptions extends Pick<SessionOptions, 'policy' | 'onRetry' | 'stallAfter' | 'signal'> {
  /** `sc://host:port/;key=value…`. */
  readonly remote: string
  /** Of joins, groups and sorts. Default: 64; adaptive execution puts small ones together. */
  readonly shufflePartitions?: number
  /** For tables in between: a folder that the cluster sees under the same path. Default: the system's. */
  readonly tempFolder?: string
  /** What was computed before of files whose digests relations tell. */
  readonly memo?: Memo
  /** Of the engine inside this process, which reads text files and the footers of Parquet files. */
  readonly embedded?: Pick<DuckDbOptions, 'threads' | 'memoryLimit'>
}

/**
 * Opens a session on the cluster and sees that both sides see one folder. Throws MR_SPARK_* where the server cannot be
 * reached, MR_SPARK_PATHS where the cluster has other folders.
 */
export async function openSpark(options: SparkOptions): Promise<Engine> {
  const { remote, shufflePartitions = 64, tempFolder = tmpdir(), memo, embedded = {}, ...session } = options
  const folder = join(tempFolder, `millrace-spark-${randomBytes(6).toString('hex')}`)
  await makeFolder(tempFolder)
    .then(() => mkdir(folder))
    .catch((error: unknown) => {
      throw fileError(error, 'write', folder)
    })
  const inside = await openSession({ ...embedded, tempFolder: folder, ...(memo === undefined ? {} : { memo }) })
  const remove = async (): Promise<void> => {
    await inside.close()
    await rm(folder, { recursive: true, force: true })
  }
  let open = true
  let connected: SparkSession | undefined
  try {
    connected = await SparkSession.connect(remote, session)
    await connected.config(settings(shufflePartitions), session.signal)
    await seeTheSame(connected, folder, session.signal)
  } catch (error) {
    await connected?.[Symbol.asyncDispose]()
    await remove()
    throw sparkEngineError(error, session.signal)
  }
  let count = 0
  const cluster: Cluster = {
    spark: connected,
    embedded: inside,
    folder,
    memo,
    stored: new Map(),
    conversions: new Map(),
    deletions: new Map(),
    next: () => count++,
  }
  const check = (signal?: AbortSignal): void => {
    if (!open) throw new MillraceError('MR_ENGINE_FAILED', 'the engine is closed')
    if (signal?.aborted === true) throw sparkEngineError(signal.reason, signal)
  }
  const prepare = async (relation: Relation, signal?: AbortSignal): Promise<Relation> => {
    check(signal)
    return prepared(cluster, relation, (input) => materialised(input, signal), signal)
  }
  const materialised = async (relation: Relation, signal?: AbortSignal): Promise<Relation> => {
    const target = { folder: join(folder, `table-${cluster.next()}`), format: 'parquet' } as const
    const { files, schema } = await writeTable(
      cluster,
      relation,
      (one) => prepare(one, signal),
      target,
      undefined,
      signal,
    )
    let rows = 0
    const rowsBefore = files.map((file) => (rows += file.rows) - file.rows)
    return scan({ format: 'parquet', paths: files.map(({ path }) => join(target.folder, path)) }, schema, {
      rowsBefore,
    })
  }
  const work = async <T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    try {
      check(signal)
      return await task()
    } catch (error) {
      throw sparkEngineError(error, signal)
    }
  }
  return {
    dialect: dialect(spark),
    version: `spark ${connected.version}`,
    filesAtOnce: FILES_AT_ONCE,
    inferSchema: (source, signal, drift) => work(() => inferSchema(inside, source, signal, drift), signal),
    query: (relation, signal) => dataset(relation.schema, (inner) => prepare(relation, inner), cluster, signal),
    rows: (relation, signal) =>
      work(
        async () =>
          (await foundEarly(cluster, relation, signal)) ??
          (await rowObjects(cluster, await prepare(relation, signal), signal)),
        signal,
      ),
    write: (relation, target, progress, signal) =>
      work(() => writeTable(cluster, relation, (one) => prepare(one, signal), target, progress, signal), signal),
    statistics: (relation, requests, signal) =>
      work(() => statistics(cluster, relation, requests, (one) => prepare(one, signal), signal), signal),
    async [Symbol.asyncDispose]() {
      if (!open) return
      open = false
      await connected[Symbol.asyncDispose]()
      await remove()
    },
  }
}

/** A word that this machine writes and the cluster's executors read, in the folder of this engine. */
async function seeTheSame(session: SparkSession, folder: string, signal?: AbortSignal): Promise<void> {
  const word = randomBytes(16).toString('hex')
  const path = join(folder, 'probe')
  await writeFile(path, `${word}\n`)
  const read = { format: 'text', paths: [pattern(path)], schema: 'value STRING' }
  const wrong = (cause?: unknown): MillraceError =>
    new MillraceError('MR_SPARK_PATHS', `the cluster does not see what this machine wrote to ${path}`, {
      hint: 'put the home on a disk that this machine and all executors mount under the same path',
      cause,
    })
  const found: unknown[] = []
  try {
    for await (const table of session.batches(session.sql('SELECT value FROM probe', {}, { probe: read }), { signal }))
      for (const [value] of listed(table)) found.push(value)
    const to = { format: 'text', path: locatedAt(`${path}-back`), mode: 'error' } as const
    await session.write(session.sql('SELECT value FROM probe', {}, { probe: read }), to, { signal })
  } catch (error) {
    const isPath = /PATH_NOT_FOUND|FILE_NOT_EXIST/.test(String(error))
    throw isPath ? wrong(error) : error
  }
  const names = await readdir(`${path}-back`).catch(() => [])
  if (found.length !== 1 || found[0] !== word || !names.some((name) => name.startsWith('part-'))) throw wrong()
}
