/** A Spark Connect server for a benchmark, one process on loopback with two cores: scripts/spark-cluster.sh. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './contenders.js'

/** Of this benchmark alone: a server of somebody's tests may run beside it. */
const PORT = 15_322

export interface SparkServer {
  /** `sc://…`. */
  readonly remote: string
  readonly pid: number
  /** Seconds until it answered. */
  readonly start: number
  stop(): void
}

/** Starts it with `memory` (e.g. `8g`); what it needs of disk is under `state`. */
export function startServer(state: string, memory: string): SparkServer {
  const env = { ...process.env, WORKERS: '0', CORES: '2', DRIVER_MEMORY: memory, CONNECT_PORT: String(PORT) }
  const call = (command: string): string =>
    execFileSync('bash', [join(ROOT, 'scripts/spark-cluster.sh'), command, state], {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  const stop = (): void => {
    process.off('exit', stop)
    call('stop')
  }
  // it would outlive an interrupted benchmark; first of all, while its folder is there
  process.prependOnceListener('exit', stop)
  const begun = performance.now()
  const remote = call('start').trim().split('\n').at(-1) ?? ''
  const start = (performance.now() - begun) / 1000
  const pid = Number(readFileSync(join(state, 'connect.pid'), 'utf8'))
  return { remote, pid, start, stop }
}
