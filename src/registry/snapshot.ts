/**
 * A registry file where nothing may be made. SQLite needs a file beside one with a write-ahead log even to read it, so
 * it is read as it lies there, or, where commits are still in the log alone, from a private copy.
 */
import { chmodSync, copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Database from 'libsql'

export interface Snapshot {
  readonly connection: Database.Database
  /** What `stampOf` gave when it was taken: another stamp now means that another process has written. */
  readonly stamp: string
  close(): void
}

/** Changes with every commit by any process: identity, size and time of the file and of its log; two system calls. */
export function stampOf(file: string): string {
  return [file, `${file}-wal`]
    .map((path) => {
      const found = statSync(path, { bigint: true, throwIfNoEntry: false })
      return found === undefined || found.size === 0n ? '' : `${found.ino} ${found.size} ${found.mtimeNs}`
    })
    .join(', ')
}

/** Opens what is committed in `file` now; throws as node:fs and SQLite do. */
export function openSnapshot(file: string, busyTimeout: number): Snapshot {
  // Where somebody writes at this moment, what was copied may be of two moments.
  for (let attempt = 1; ; attempt++) {
    const stamp = stampOf(file)
    try {
      const snapshot = open(file, stamp, busyTimeout)
      if (stampOf(file) === stamp || attempt === 20) return snapshot
      snapshot.close()
    } catch (error) {
      if (stampOf(file) === stamp || attempt === 20) throw error
    }
  }
}

function open(file: string, stamp: string, busyTimeout: number): Snapshot {
  const log = statSync(`${file}-wal`, { throwIfNoEntry: false })
  if (log === undefined || log.size === 0) {
    const connection = new Database(`${pathToFileURL(file).href}?immutable=1`, { timeout: busyTimeout })
    return { connection, stamp, close: () => connection.close() }
  }
  const folder = mkdtempSync(join(tmpdir(), 'millrace-registry-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    const copy = join(folder, 'registry.db')
    // The file first: a log that grows meanwhile only holds more.
    for (const part of ['', '-wal']) {
      copyFileSync(`${file}${part}`, `${copy}${part}`)
      chmodSync(`${copy}${part}`, 0o600)
    }
    const connection = new Database(copy, { timeout: busyTimeout })
    return {
      connection,
      stamp,
      close() {
        connection.close()
        remove()
      },
    }
  } catch (error) {
    remove()
    throw error
  }
}
