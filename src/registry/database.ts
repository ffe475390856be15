/**
 * The SQLite file behind the registry: opening, schema, short transactions, and SQLite's errors in plain words. Several
 * processes use one file at once (write-ahead log); what was committed survives `kill -9` and loss of power
 * (synchronous = FULL).
 */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'libsql'
import { MillraceError } from '../core/errors.js'
import { fileError } from '../core/files.js'
import { openSnapshot, type Snapshot, stampOf } from './snapshot.js'

/** 'MRrg': tells a registry from any other SQLite file. */
const APPLICATION_ID = 0x4d527267
const SCHEMA_VERSION = 1
/** Milliseconds a writer waits for another; transactions here take a few. */
const BUSY_TIMEOUT = 5000

const SCHEMA = `
CREATE TABLE versions (
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL, -- milliseconds since 1970
  digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
  run_id TEXT NOT NULL, data TEXT NOT NULL, config TEXT NOT NULL,
  evaluation TEXT, metrics TEXT NOT NULL, tags TEXT NOT NULL, -- JSON
  PRIMARY KEY (name, version),
  UNIQUE (name, run_id, digest)
) WITHOUT ROWID;
CREATE TABLE aliases (
  name TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (name, alias),
  FOREIGN KEY (name, version) REFERENCES versions (name, version)
) WITHOUT ROWID;
-- Every move of an alias, in order; a rollback names the change that it undid.
CREATE TABLE changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL, alias TEXT NOT NULL, from_version INTEGER, to_version INTEGER,
  at INTEGER NOT NULL, reason TEXT NOT NULL, undoes INTEGER UNIQUE REFERENCES changes (id)
);
CREATE INDEX changes_of_alias ON changes (name, alias, id);
CREATE TABLE revision (number INTEGER NOT NULL);
INSERT INTO revision VALUES (0);
`

export type Value = string | number | null
export type Row = Readonly<Record<string, Value>>

export interface DatabaseOptions {
  /** Milliseconds a call waits (and blocks) while another process writes; default 5,000. */
  readonly busyTimeout?: number
  /** Works where nothing may be written, and writes throw MR_FILE_ACCESS. */
  readonly readOnly?: boolean
}

/** A connection whose statements are prepared once. All calls are synchronous and take microseconds, writes one sync. */
export class RegistryDatabase {
  readonly #statements = new Map<string, Database.Statement>()
  /** Stands for the file where SQLite can make nothing beside it. */
  #snapshot: Snapshot | undefined
  #closed = false

  private constructor(
    readonly file: string,
    public connection: Database.Database,
    private readonly options: Required<DatabaseOptions>,
  ) {}

  /** @throws MR_REGISTRY_CORRUPT, MR_REGISTRY_NEWER, MR_REGISTRY_BUSY, MR_FILE_ACCESS, MR_DISK_FULL */
  static async open(file: string, options: DatabaseOptions = {}): Promise<RegistryDatabase> {
    const { busyTimeout = BUSY_TIMEOUT, readOnly = false } = options
    let connection: Database.Database
    try {
      connection = new Database(file, { timeout: busyTimeout })
    } catch (error) {
      throw explained(file, error)
    }
    const database = new RegistryDatabase(file, connection, { busyTimeout, readOnly })
    // Changing to the write-ahead log does not wait for other openers, so it is tried again.
    for (let attempt = 1; ; attempt++) {
      try {
        database.#prepareFile()
        return database
      } catch (error) {
        if (error instanceof MillraceError && error.code === 'MR_REGISTRY_BUSY' && attempt < 20) {
          await sleep(10 * attempt)
          continue
        }
        const refused = error instanceof MillraceError && error.code === 'MR_FILE_ACCESS' && existsSync(file)
        if (readOnly && refused && database.#snapshot === undefined) {
          database.#takeSnapshot()
          continue
        }
        database.#disconnect()
        throw error
      }
    }
  }

  #prepareFile(): void {
    this.#guard(() => {
      this.connection.exec(`PRAGMA busy_timeout = ${this.options.busyTimeout}`)
      this.#checkOwner()
      if (this.#snapshot !== undefined) return
      // Setting it writes to the file, and it stays set.
      if (this.all('PRAGMA journal_mode')[0]?.['journal_mode'] !== 'wal')
        this.connection.exec('PRAGMA journal_mode = WAL')
      this.connection.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    })
    if (this.#number('PRAGMA user_version', 'user_version') === 0)
      this.#transaction(() => {
        // Another process may have been first.
        if (this.#number('PRAGMA user_version', 'user_version') !== 0) return
        this.connection.exec(SCHEMA)
        this.connection.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
      })
    const faults = this.all('PRAGMA quick_check(1)').map((row) => row['quick_check'])
    if (faults[0] !== 'ok') throw corrupt(this.file, String(faults[0]))
  }

  /** Nothing is written to a file before it is known to be ours, or empty. */
  #checkOwner(): void {
    const version = this.#number('PRAGMA user_version', 'user_version')
    const application = this.#number('PRAGMA application_id', 'application_id')
    const tables = this.#number("SELECT count(*) AS n FROM sqlite_master WHERE type = 'table'", 'n')
    if (application !== APPLICATION_ID && (application !== 0 || version !== 0 || tables !== 0))
      throw corrupt(this.file, 'it is an SQLite file of something else')
    if (version > SCHEMA_VERSION)
      throw new MillraceError(
        'MR_REGISTRY_NEWER',
        `${this.file} has registry format ${version}; this Millrace knows formats up to ${SCHEMA_VERSION}`,
        { hint: 'use the newer Millrace that wrote it: npm install millrace@latest' },
      )
  }

  /** The rows of a query. */
  all(sql: string, ...values: Value[]): readonly Row[] {
    // Values go in one array: libsql takes a lone null or object for a set of named parameters.
    return this.#guard(() => {
      this.#renewSnapshot()
      return this.#statement(sql).all(values) as Row[]
    })
  }

  run(sql: string, ...values: Value[]): void {
    this.#guard(() => this.#statement(sql).run(values))
  }

  /** One short transaction: the write lock is taken first, so what is read in it cannot change before the commit. */
  write<T>(work: () => T): T {
    if (this.options.readOnly)
      throw new MillraceError('MR_FILE_ACCESS', `the registry ${this.file} was opened for reading only`)
    return this.#transaction(work)
  }

  #transaction<T>(work: () => T): T {
    return this.#guard(() => {
      this.connection.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        this.connection.exec('COMMIT')
        return result
      } catch (error) {
        // A full disk rolls back by itself.
        if (this.connection.inTransaction) this.connection.exec('ROLLBACK')
        throw error
      }
    })
  }

  /**
   * Idempotent. libsql keeps the file open until its statements are collected, so SQLite's own clean-up at closing does
   * not come: the log is folded into the file here, so that a copy of the one file is a backup.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    try {
      this.connection.exec('PRAGMA busy_timeout = 0')
      this.connection.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all()
    } catch {
      // Another process is reading or writing: all is safe in the log, and that process folds it in later.
    }
    this.#disconnect()
  }

  #disconnect(): void {
    this.#statements.clear()
    if (this.#snapshot === undefined) this.connection.close()
    else this.#snapshot.close()
  }

  #takeSnapshot(): void {
    this.#guard(() => {
      const next = openSnapshot(this.file, this.options.busyTimeout)
      this.#disconnect()
      this.#snapshot = next
      this.connection = next.connection
    })
  }

  /** Who may only read still sees what others write. */
  #renewSnapshot(): void {
    if (this.#snapshot !== undefined && this.#snapshot.stamp !== stampOf(this.file)) this.#takeSnapshot()
  }

  #number(sql: string, column: string): number {
    return Number(this.all(sql)[0]?.[column] ?? 0)
  }

  #statement(sql: string): Database.Statement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.connection.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  #guard<T>(work: () => T): T {
    if (this.#closed)
      throw new MillraceError('MR_REGISTRY_CLOSED', `the registry ${this.file} was closed before this use`)
    try {
      return work()
    } catch (error) {
      throw error instanceof MillraceError ? error : explained(this.file, error)
    }
  }
}

function corrupt(file: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError('MR_REGISTRY_CORRUPT', `${file} cannot be used as a model registry: ${why}`, {
    hint: `put a backup in its place, or move it away (mv '${file}' '${file}.damaged') and run the pipelines again: what is finished is not computed again, only registered`,
    cause,
  })
}

/** SQLite's primary result codes (https://sqlite.org/rescode.html): PERM, READONLY, IOERR, CANTOPEN, AUTH … */
const RESULT: Readonly<Record<number, 'access' | 'corrupt' | 'busy' | 'full'>> = {
  3: 'access',
  8: 'access',
  10: 'access',
  14: 'access',
  23: 'access',
  11: 'corrupt',
  26: 'corrupt',
  5: 'busy',
  6: 'busy',
  13: 'full',
}

/** SQLITE_IOERR_SHMSIZE: the file beside the log cannot grow, for want of room on the disk. */
const NO_ROOM_BESIDE = 10 | (19 << 8)

function explained(file: string, error: unknown): unknown {
  const { rawCode, message } = error as { rawCode?: unknown; message?: unknown }
  const text = String(message)
  // The low byte is SQLite's primary result code; libsql has names for some of the extended ones only.
  const known = typeof rawCode === 'number' ? RESULT[rawCode & 0xff] : undefined
  const kind = rawCode === NO_ROOM_BESIDE ? 'full' : known
  // Failure to open carries no code, only SQLite's number for it at the end of the text: 14.
  if (kind === 'access' || text.startsWith('ConnectionFailed')) {
    const missing = existsSync(file) ? '' : ' (the file does not exist)'
    return new MillraceError('MR_FILE_ACCESS', `the registry ${file} cannot be opened or written${missing}: ${text}`, {
      hint: 'check that the folder exists and may be written, or give another with --home',
      cause: error,
    })
  }
  if (kind === 'corrupt') return corrupt(file, text, error)
  if (kind === 'busy')
    return new MillraceError('MR_REGISTRY_BUSY', `another process keeps the registry ${file} locked`, {
      hint: 'try again; if it stays so, end the process that holds the file',
      retryable: true,
      cause: error,
    })
  if (kind === 'full')
    return new MillraceError('MR_DISK_FULL', `no space is left for the registry ${file}`, {
      hint: 'free some space and try again: nothing was half written',
      cause: error,
    })
  return fileError(error, 'read the registry', file)
}
