/** The one Spark cluster of the engine tests, and what is done to it. */
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const SCRIPT = fileURLToPath(new URL('../../scripts/spark-cluster.sh', import.meta.url))

/** What a test needs to know of a cluster; plain values, as they travel between processes. */
export interface Cluster {
  /** With its token. */
  readonly address: string
  /** host:port */
  readonly endpoint: string
  readonly token: string
  readonly state: string
  readonly environment: Readonly<Record<string, string>>
  readonly confs: readonly string[]
}

/** Streams end early and small, so that every test goes over several. */
const CONFS = [
  'spark.connect.execute.reattachable.senderMaxStreamDuration=2s',
  'spark.connect.execute.reattachable.senderMaxStreamSize=2m',
]

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

/**
 * Starts a cluster on free ports with a state folder of its own; without workers all of it is one process.
 * @param confs of the server; the default is for tests of streams
 */
export async function startCluster(workers: number, { executorMemory = '600m', confs = CONFS } = {}): Promise<Cluster> {
  const state = await mkdtemp(join(tmpdir(), 'millrace-spark-'))
  const [master, connect] = [await freePort(), await freePort()]
  const token = 'token-of-the-engine-tests'
  const endpoint = `127.0.0.1:${connect}`
  const environment = {
    ...{ WORKERS: String(workers), MASTER_PORT: String(master), CONNECT_PORT: String(connect) },
    ...{ EXECUTOR_MEMORY: executorMemory, SPARK_CONNECT_AUTHENTICATE_TOKEN: token },
  }
  const cluster = { address: `sc://${endpoint}/;token=${token}`, endpoint, token, state, environment, confs }
  try {
    await heal(cluster)
  } catch (error) {
    await stopCluster(cluster)
    throw error
  }
  return cluster
}

/** Starts again what is not running. */
export async function heal(cluster: Cluster): Promise<void> {
  await script(cluster, ['start', cluster.state, '--', ...cluster.confs.flatMap((conf) => ['--conf', conf])])
}

/** SIGKILL to a part: connect, worker1, worker2, executors. */
export async function kill(cluster: Cluster, part: string): Promise<void> {
  await script(cluster, ['kill', part, cluster.state])
}

export async function stopCluster(cluster: Cluster): Promise<void> {
  await script(cluster, ['stop', cluster.state])
  await rm(cluster.state, { recursive: true, force: true })
}

async function script(cluster: Cluster, args: readonly string[]): Promise<void> {
  await promisify(execFile)('bash', [SCRIPT, ...args], { env: { ...process.env, ...cluster.environment } })
}

declare module 'vitest' {
  interface ProvidedContext {
    spark: Cluster
  }
}
