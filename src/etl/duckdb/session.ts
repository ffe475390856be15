/** One DuckDB instance, closed to the network, and the connections that queries run on. */
import { rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { MillraceError } from '../../core/errors.js'
import type { Memo } from '../../core/memo.js'
import { fileError, makeFolder } from '../../core/files.js'
import { textLiteral } from '../sql/duckdb.js'
import { engineError } from './errors.js'

export interface DuckDbOptions {
  /**
   * Default: one a core. Never fewer than two are used: with one DuckDB cuts row groups elsewhere, and the bytes of
   * what it writes would differ.
   */
  readonly threads?: number
  /** e.g. `2GB`. Default: DuckDB's own, 80 % of the machine's memory. Above it queries spill to `tempFolder`. */
  readonly memoryLimit?: string
  /** For spilling and for tables in between. Default: the system's. */
  readonly tempFolder?: string
  /** What was computed before of files whose digests relations tell. */
  readonly memo?: Memo
  /** If given, files outside these folders can be neither read nor written. */
  readonly folders?: readonly string[]
}

/** A connection for one query, interrupted by its signal until `end` is called. */
export interface Lease {
  readonly connection: DuckDBConnection
  readonly end: () => void
}

export interface Session {
  /** A folder of this session's own; not made yet, removed when the session closes. */
  readonly tempFolder: string
  readonly memo: Memo | undefined
  lease(signal?: AbortSignal): Promise<Lease>
  /** Runs `work` on a connection of its own. An abort gives MR_CANCELLED; DuckDB's errors become MillraceErrors. */
  use<T>(work: (connection: DuckDBConnection) => Promise<T>, signal?: AbortSignal): Promise<T>
  close(): Promise<void>
}

let counter = 0

export async function openSession(options: DuckDbOptions): Promise<Session> {
  const threads = Math.max(2, options.threads ?? availableParallelism())
  const spills = options.tempFolder ?? tmpdir()
  // DuckDB makes the folder of a session's own when it first spills, but none above it
  await makeFolder(spills).catch((error: unknown) => {
    throw fileError(error, 'write', spills)
  })
  const tempFolder = join(spills, `millrace-${process.pid}-${counter++}`)
  const instance = await DuckDBInstance.create(':memory:', { threads: String(threads) })
  const settings = [
    `SET GLOBAL TimeZone = 'UTC'`,
    `SET GLOBAL preserve_insertion_order = true`,
    `SET GLOBAL autoinstall_known_extensions = false`,
    `SET GLOBAL autoload_known_extensions = false`,
    `SET GLOBAL allow_community_extensions = false`,
    // what is freed goes back to the system: else up to 128 MB a thread stay with the process
    `SET GLOBAL allocator_flush_threshold = '8MB'`,
    `SET GLOBAL allocator_bulk_deallocation_flush_threshold = '32MB'`,
    // files are in the system's cache already: a second copy would fill the memory limit between queries
    `SET GLOBAL enable_external_file_cache = false`,
    `SET GLOBAL temp_directory = ${textLiteral(tempFolder)}`,
    ...(options.memoryLimit === undefined ? [] : [`SET GLOBAL memory_limit = ${textLiteral(options.memoryLimit)}`]),
  ]
  if (options.folders !== undefined) {
    const folders = [...options.folders, tempFolder].map(textLiteral).join(', ')
    settings.push(`SET GLOBAL allowed_directories = [${folders}]`, `SET GLOBAL enable_external_access = false`)
  }
  const first = await instance.connect()
  try {
    for (const setting of settings) await first.run(setting)
  } catch (error) {
    instance.closeSync()
    throw engineError(error)
  } finally {
    first.closeSync()
  }
  let open = true
  const lease = async (signal?: AbortSignal): Promise<Lease> => {
    if (!open) throw new MillraceError('MR_ENGINE_FAILED', 'the engine is closed')
    if (signal?.aborted === true) throw engineError(signal.reason, signal)
    const connection = await instance.connect()
    let again: NodeJS.Timeout | undefined
    // repeated: an interrupt that comes before DuckDB has started the query is forgotten
    const interrupt = (): void => {
      connection.interrupt()
      again = setInterval(() => connection.interrupt(), 20)
    }
    signal?.addEventListener('abort', interrupt, { once: true })
    return {
      connection,
      end: () => {
        signal?.removeEventListener('abort', interrupt)
        clearInterval(again)
        connection.closeSync()
      },
    }
  }
  return {
    tempFolder,
    memo: options.memo,
    lease,
    async use(work, signal) {
      const { connection, end } = await lease(signal)
      try {
        const result = await work(connection)
        if (signal?.aborted === true) throw engineError(signal.reason, signal)
        return result
      } catch (error) {
        throw engineError(error, signal)
      } finally {
        end()
      }
    },
    async close() {
      if (!open) return
      open = false
      instance.closeSync()
      await rm(tempFolder, { recursive: true, force: true })
    },
  }
}
