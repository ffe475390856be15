/**
 * One writing run per home. The lock is SQLite's exclusive lock on `<home>/lock.db`, which the kernel gives back when
 * the process dies, however it dies; `lock.json` beside it only says who holds it.
 */
import { readFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../core/clock.js'
import { MillraceError } from '../core/errors.js'
import { fileError, makeFolder, writeFileAtomic } from '../core/files.js'

export interface LockHolder {
  readonly pid: number
  readonly host: string
  /** What it works at, in words: a pipeline, a run. */
  readonly work: string
  /** Milliseconds since 1970 UTC. */
  readonly since: number
}

export interface HomeLock {
  release(): Promise<void>
}

/** Milliseconds that a starting run waits for a reader that is just asking `lockHolder`. */
const PATIENCE = 100
/** Milliseconds after which `waitForLock` asks again. */
const AGAIN = 100

/**
 * Takes the lock, or throws MR_HOME_LOCKED at once, naming the process that holds it and what it works at.
 * @param work shown to those others, e.g. `pipeline churn`
 */
export async function lockHome(home: string, work: string, now: number): Promise<HomeLock> {
  try {
    await makeFolder(home)
  } catch (error) {
    throw fileError(error, 'create the home', home)
  }
  const database = await openDatabase(home, PATIENCE)
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (!isBusy(error)) throw lockError(error, home)
    const holder = await readHolder(home)
    const who =
      holder === undefined
        ? 'another process'
        : `process ${holder.pid}${holder.host === hostname() ? '' : ` on ${holder.host}`} (${holder.work}) ` +
          `since ${new Date(holder.since).toISOString()}`
    throw new MillraceError('MR_HOME_LOCKED', `${home} is in use by ${who}; one run at a time may write there`, {
      hint: 'wait for it to end, stop it, or use another --home; `millrace status` shows how far it is',
    })
  }
  const holder: LockHolder = { pid: process.pid, host: hostname(), work, since: now }
  try {
    await writeFileAtomic(join(home, 'lock.json'), `${JSON.stringify(holder)}\n`)
  } catch (error) {
    database.close()
    throw error
  }
  let held = true
  return {
    async release() {
      if (!held) return
      held = false
      await rm(join(home, 'lock.json'), { force: true })
      database.exec('ROLLBACK')
      database.close()
    },
  }
}

/** What SQLite says where a file system knows no locks. */
const LOCKLESS = /^SQLITE_IOERR_(LOCK|RDLOCK|UNLOCK|CHECKRESERVEDLOCK)|^SQLITE_NOLFS/

/**
 * Waits until this process alone holds the lock that `file` stands for (made if absent, and left there); gives what
 * releases it. `onWait` is told once if another has it. Without a wait where the file system knows no locks. Throws
 * MR_CANCELLED when the signal fires, MR_FILE_ACCESS where `file` cannot be a lock.
 */
export async function waitForLock(file: string, signal: AbortSignal, onWait?: () => void): Promise<() => void> {
  const { default: Database } = await import('libsql')
  for (let attempt = 0; ; attempt++) {
    let database: InstanceType<typeof Database> | undefined
    try {
      database = new Database(file, { timeout: 0 })
      database.exec('BEGIN EXCLUSIVE')
      const held = database
      return () => {
        held.exec('ROLLBACK')
        held.close()
      }
    } catch (error) {
      database?.close()
      if (LOCKLESS.test(codeOf(error))) return () => undefined
      if (!isBusy(error))
        throw new MillraceError('MR_FILE_ACCESS', `cannot lock ${file}: ${String(error)}`, {
          hint: 'it must be a file that can be written, and nobody else’s: remove it if no run is under way',
          cause: error,
        })
    }
    if (attempt === 0) onWait?.()
    await systemClock.sleep(AGAIN, signal)
  }
}

/** Who is writing in this home now; undefined if nobody is (a run that looks `running` was then killed). */
export async function lockHolder(home: string): Promise<LockHolder | undefined> {
  const exists = await readFile(join(home, 'lock.json')).then(
    () => true,
    () => false,
  )
  if (!exists) return undefined // saves opening SQLite, and creating lock.db, for readers of an idle home
  const database = await openDatabase(home, 0)
  try {
    database.prepare('SELECT count(*) FROM sqlite_master').get()
    return undefined
  } catch (error) {
    if (!isBusy(error)) throw lockError(error, home)
    return await readHolder(home)
  } finally {
    database.close()
  }
}

async function openDatabase(home: string, timeout: number) {
  const { default: Database } = await import('libsql')
  try {
    return new Database(join(home, 'lock.db'), { timeout })
  } catch (error) {
    throw lockError(error, home)
  }
}

async function readHolder(home: string): Promise<LockHolder | undefined> {
  try {
    return JSON.parse(await readFile(join(home, 'lock.json'), 'utf8')) as LockHolder
  } catch {
    return undefined // just being written or removed
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')
const isBusy = (error: unknown): boolean => codeOf(error).startsWith('SQLITE_BUSY')

function lockError(error: unknown, home: string): MillraceError {
  return new MillraceError(
    'MR_FILE_ACCESS',
    `cannot lock ${join(home, 'lock.db')}: ${error instanceof Error ? error.message : String(error)}`,
    { hint: 'the home must be a folder on a local disk that can be written; choose one with --home', cause: error },
  )
}
