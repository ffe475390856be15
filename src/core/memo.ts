/**
 * What was computed before and is worth keeping: results of pure functions under all that they were made of. Losing an
 * entry costs time and changes nothing, so entries are not synced, and a torn or altered one is as good as none.
 *
 *   <folder>/<sha256 of the key>.json    the sha256 of the value's JSON, a newline, the JSON
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256File, type Digest } from './files.js'
import { sha256Json } from './json.js'
import { parallel } from './parallel.js'

export interface Memo {
  /** What `put` was given for an equal key (plain JSON data), if it is still there. */
  get(key: unknown): Promise<unknown>
  /**
   * Keeps a value: JSON data in which numbers may also be infinite, NaN and -0. One that cannot be written is not kept,
   * and nothing is thrown.
   */
  put(key: unknown, value: unknown): Promise<void>
  /**
   * The sha256 and the size of a file that others may write to. It is read once for each state of the file that the
   * file system tells (inode, size, and both times, which every write moves); one that was written just before is read
   * again, since a later write could fall into the same tick of the clock.
   */
  digest(path: string, signal?: AbortSignal): Promise<FileDigest>
  /** What can be said of how much was computed anew, for the `noted` that the caller works in, if there is one. */
  note(line: string): void
  /** Does `work`, and gives what was noted in it, each line once, and nothing of what goes on beside it. */
  noted<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly notes: readonly string[] }>
}

export interface FileDigest {
  readonly digest: Digest
  readonly size: number
}

export interface MemoOptions {
  /** Part of every key: versions of what computes. */
  readonly scope: unknown
  /** Keeps nothing new: for those who only look. */
  readonly readOnly?: boolean
  /** Reads a file to its end for its digest; default `sha256File`. */
  readonly read?: typeof sha256File
  /** Finds nothing that was kept before it was opened. */
  readonly forget?: boolean
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const DAY = 24 * 3600 * 1000
/** Entries that nobody asked for so long go at the next start; and the oldest, where all together are larger. */
const KEPT_FOR = 30 * DAY
const LARGEST = 512 * 2 ** 20
/** What the smallest file takes of a disk. */
const BLOCK = 4096
/** Entries read or written at a time: more gain nothing. */
const AT_ONCE = 16
/** Two writes so close may have one time: FAT counts in 2 s, others finer. */
const TICK = 3000

/** Opens a memo, and clears out what is old. Only one process at a time may have it open to write. */
export async function openMemo(folder: string, options: MemoOptions): Promise<Memo> {
  if (options.readOnly !== true) {
    try {
      await mkdir(folder, { recursive: true })
      await clearOut(folder, (options.now ?? Date.now)())
    } catch {
      // a folder that cannot be written to keeps nothing
    }
  }
  return new FolderMemo(folder, options)
}

class FolderMemo implements Memo {
  readonly #folder: string
  readonly #options: MemoOptions
  readonly #written = new Set<string>()
  readonly #digests = new Map<string, FileDigest>()
  readonly #notes = new AsyncLocalStorage<Set<string>>()

  constructor(folder: string, options: MemoOptions) {
    this.#folder = folder
    this.#options = options
  }

  async get(key: unknown): Promise<unknown> {
    const path = this.#locate(key)
    if (this.#options.forget === true && !this.#written.has(path)) return undefined
    const text = await readFile(path, 'utf8').catch(() => '')
    const end = text.indexOf('\n')
    const body = text.slice(end + 1)
    if (end < 0 || text.slice(0, end) !== digestOf(body)) return undefined
    if (this.#options.readOnly !== true) await this.#touch(path)
    return decode(body)
  }

  async put(key: unknown, value: unknown): Promise<void> {
    if (this.#options.readOnly === true) return
    const path = this.#locate(key)
    const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
    try {
      const body = encode(value)
      await writeFile(temporary, `${digestOf(body)}\n${body}`)
      await rename(temporary, path)
      this.#written.add(path)
    } catch {
      // a full disk is told by who must write, not by who may; a value may be longer than a text can be
      await rm(temporary, { force: true }).catch(() => undefined)
    }
  }

  async digest(path: string, signal?: AbortSignal): Promise<FileDigest> {
    const before = await stateOf(path)
    const key = ['digest of a file', path, before?.state ?? '']
    if (before !== undefined) {
      const known = this.#digests.get(JSON.stringify(key)) ?? ((await this.get(key)) as FileDigest | undefined)
      if (known !== undefined) {
        this.#digests.set(JSON.stringify(key), known)
        return known
      }
    }
    const now = this.#options.now ?? Date.now
    const began = now()
    const found = await (this.#options.read ?? sha256File)(path, signal)
    if (before !== undefined && before.changed + TICK < began && (await stateOf(path))?.state === before.state) {
      this.#digests.set(JSON.stringify(key), found)
      await this.put(key, found)
    }
    return found
  }

  note(line: string): void {
    this.#notes.getStore()?.add(line)
  }

  async noted<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly notes: readonly string[] }> {
    const notes = new Set<string>()
    const value = await this.#notes.run(notes, work)
    return { value, notes: [...notes] }
  }

  #locate(key: unknown): string {
    return join(this.#folder, `${sha256Json([this.#options.scope, key]).slice('sha256:'.length)}.json`)
  }

  /** Its time tells when it was last of use, to the day. */
  async #touch(path: string): Promise<void> {
    const now = (this.#options.now ?? Date.now)()
    const found = await stat(path).catch(() => undefined)
    if (found !== undefined && now - found.mtimeMs > DAY)
      await utimes(path, now / 1000, now / 1000).catch(() => undefined)
  }
}

/**
 * A value for each part of something, those of parts that were there before from the memo. Each part is an entry of its
 * own, written as soon as its value is made, so that wholes that share parts share their entries.
 * @param about all that decides the values beside the part itself
 * @param parts for each, all that tells it from others (its content's digest)
 * @param make makes the values of these parts, by index, and hands each to `done`, in any order. `isSure: false` keeps
 *   it for this call alone.
 * @param isGood false for a kept value that is of no use any more (its artifact is gone)
 * @returns values in the order of the parts, and how many parts were made now
 */
export async function eachPart<T>(
  memo: Memo | undefined,
  about: unknown,
  parts: readonly string[],
  make: (
    missing: readonly number[],
    done: (index: number, value: T, isSure?: boolean) => Promise<void>,
  ) => Promise<void>,
  isGood: (value: T) => Promise<boolean> = () => Promise.resolve(true),
): Promise<{ readonly values: readonly T[]; readonly made: number }> {
  const whole = memo === undefined ? '' : sha256Json(about)
  const found = new Map<string, T>()
  if (memo !== undefined)
    await parallel([...new Set(parts)], AT_ONCE, async (part) => {
      const value = (await memo.get([whole, part])) as T | undefined
      if (value !== undefined && (await isGood(value))) found.set(part, value)
    })
  const missing = new Map<string, number>()
  for (const [index, part] of parts.entries()) if (!found.has(part) && !missing.has(part)) missing.set(part, index)
  const writes = new Set<Promise<void>>()
  try {
    if (missing.size > 0)
      await make([...missing.values()], async (index, value, isSure = true) => {
        const part = parts[index] ?? ''
        found.set(part, value)
        if (!isSure || memo === undefined) return
        while (writes.size >= AT_ONCE) await Promise.race(writes)
        const write = memo.put([whole, part], value).finally(() => writes.delete(write))
        writes.add(write)
      })
  } finally {
    await Promise.all(writes)
  }
  const made = parts.filter((part) => missing.has(part)).length
  return { values: parts.map((part) => found.get(part) as T), made }
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Numbers that JSON does not have, as objects that no value of ours looks like. */
const encode = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'number' && (!Number.isFinite(inner) || Object.is(inner, -0))
      ? { '#': Object.is(inner, -0) ? '-0' : String(inner) }
      : inner,
  )

const decode = (text: string): unknown =>
  text.includes('{"#":')
    ? JSON.parse(text, (_, inner: unknown) =>
        typeof inner === 'object' && inner !== null && '#' in inner ? Number(inner['#']) : inner,
      )
    : JSON.parse(text)

/** All that the file system says of a file's content; undefined where it says nothing. */
async function stateOf(path: string): Promise<{ readonly state: string; readonly changed: number } | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  if (found === undefined) return undefined
  const { dev, ino, size, mtimeNs, ctimeNs } = found
  const changed = Number((mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1_000_000n)
  return { state: [dev, ino, size, mtimeNs, ctimeNs].join(' '), changed }
}

async function clearOut(folder: string, now: number): Promise<void> {
  const entries: { readonly path: string; readonly used: number; readonly bytes: number }[] = []
  const old: string[] = []
  await parallel(await readdir(folder), AT_ONCE, async (name) => {
    const path = join(folder, name)
    const found = await stat(path).catch(() => undefined)
    if (found === undefined) return
    if (name.endsWith('.tmp') || now - found.mtimeMs > KEPT_FOR) old.push(path)
    else entries.push({ path, used: found.mtimeMs, bytes: Math.max(found.size, BLOCK) })
  })
  let bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
  for (const entry of entries.sort((a, b) => a.used - b.used)) {
    if (bytes <= LARGEST) break
    old.push(entry.path)
    bytes -= entry.bytes
  }
  await parallel(old, AT_ONCE, (path) => rm(path, { force: true }))
}
