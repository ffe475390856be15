/** Files that are whole or absent, system errors in words a person can act on, digests, and paths that stay inside. */
import { createHash, randomBytes } from 'node:crypto'
import { lstat, mkdir, open, readdir, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { MillraceError, type ErrorCode } from './errors.js'

export type Digest = `sha256:${string}`

/** Bytes of one read. */
const BLOCK = 2 ** 20

const SYSTEM: Readonly<Record<string, readonly [code: ErrorCode, words: string, hint: string]>> = {
  ENOSPC: ['MR_DISK_FULL', 'no space is left on the device', 'free some space, then run the same command again'],
  EDQUOT: ['MR_DISK_FULL', 'the disk quota is used up', 'free some space, then run the same command again'],
  EACCES: ['MR_FILE_ACCESS', 'permission denied', 'look at the owner and the rights of the file and its folders'],
  EPERM: ['MR_FILE_ACCESS', 'operation not permitted', 'look at the owner and the rights of the file and its folders'],
  EROFS: ['MR_FILE_ACCESS', 'the file system is read-only', 'choose a folder that can be written'],
  EISDIR: ['MR_FILE_ACCESS', 'it is a folder, not a file', 'name a file'],
  ENOTDIR: ['MR_FILE_ACCESS', 'a part of the path is a file, not a folder', 'look at the path'],
  ENAMETOOLONG: ['MR_FILE_ACCESS', 'the name is too long', 'choose a shorter name'],
  ELOOP: ['MR_FILE_ACCESS', 'symbolic links lead in a circle', 'look at the links on the path'],
  ENOENT: ['MR_FILE_MISSING', 'no such file or folder', 'look at the path; relative paths start at the current folder'],
}

/**
 * A system error as a MillraceError: MR_DISK_FULL, MR_FILE_ACCESS or MR_FILE_MISSING, naming `action` ("write", "read
 * the source") and `path`. Anything else comes back as it is.
 */
export function fileError(error: unknown, action: string, path: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error
  const known = SYSTEM[error.code]
  if (known === undefined) return error
  return new MillraceError(known[0], `cannot ${action} ${path}: ${known[1]} (${error.code})`, {
    hint: known[2],
    cause: error,
  })
}

/**
 * Writes `path` so that it holds all of `bytes` or, after a crash at any instant, what it held before: a temporary file
 * in the same folder, synced, renamed, and the folder synced. Creates missing folders. Throws as `fileError` says.
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string, mode = 0o644): Promise<void> {
  const folder = dirname(path)
  const mark = `${process.pid}-${randomBytes(6).toString('hex')}`
  const temporary = join(folder, `.${basename(path).slice(0, 100)}.${mark}.tmp`)
  try {
    await makeFolder(folder)
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncFolder(folder)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw fileError(error, 'write', path)
  }
}

/** What `writeFileAtomic` writes to before the file has its name. */
const TEMPORARY = /^\..+\.(\d+)-[0-9a-f]{12}\.tmp$/

/** Removes what `writeFileAtomic` of processes that died left in `folder`; nothing where there is no such folder. */
export async function clearTemporary(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) {
    const [, pid] = TEMPORARY.exec(name) ?? []
    if (pid === undefined || (Number(pid) !== process.pid && isAlive(Number(pid)))) continue
    await rm(join(folder, name), { force: true })
  }
}

/** True if a process of this machine has that number. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/**
 * Makes a folder and the missing ones above it, and makes their names durable: what is later synced inside is lost with
 * the folder's name where the power fails. Throws as node:fs does. One by one, as node's own `recursive` never ends where
 * a system says of a folder that is there that it is not (Linux below /proc).
 */
export async function makeFolder(path: string): Promise<void> {
  const full = resolve(path)
  if (await makeOne(full, dirname(full) !== full)) return
  await makeFolder(dirname(full))
  await makeOne(full, false)
}

/** False if the folder above is missing, where that `mayBeMissing`. */
async function makeOne(path: string, mayBeMissing: boolean): Promise<boolean> {
  try {
    await mkdir(path)
  } catch (error) {
    // what is there may also be EROFS or EACCES
    if ((await stat(path).catch(() => undefined))?.isDirectory() === true) return true
    if (mayBeMissing && (error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  await syncFolder(dirname(path))
  return true
}

/** Of folders that the system does not let anybody sync, or not us: Windows, some network file systems, no right to read. */
const UNSYNCED = new Set(['EACCES', 'EPERM', 'EINVAL', 'ENOTSUP', 'EBADF'])

/** Makes the names in a folder durable, where the system can: where it cannot, names are as durable as it makes them. */
export async function syncFolder(path: string): Promise<void> {
  let folder: FileHandle | undefined
  try {
    folder = await open(path, 'r')
    await folder.sync()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (process.platform !== 'win32' && !UNSYNCED.has(code ?? '')) throw error
  } finally {
    await folder?.close()
  }
}

/** The sha256 and the size in bytes of a file, by 1 MiB reads off the event loop; MR_CANCELLED when the signal fires. */
export async function sha256File(path: string, signal?: AbortSignal): Promise<{ digest: Digest; size: number }> {
  const hash = createHash('sha256')
  let size = 0
  for await (const block of readBlocks(path, signal)) {
    hash.update(block)
    size += block.length
  }
  return { digest: `sha256:${hash.digest('hex')}`, size }
}

/** A file's bytes, at most 1 MiB at a time; each block is only valid until the next is asked for. */
export async function* readBlocks(path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  let file: FileHandle | undefined
  try {
    file = await open(path, 'r')
    const buffer = Buffer.allocUnsafe(BLOCK)
    for (;;) {
      if (signal?.aborted) {
        throw new MillraceError('MR_CANCELLED', `interrupted while reading ${path}`, { cause: signal.reason })
      }
      const { bytesRead } = await file.read(buffer, 0, BLOCK)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } catch (error) {
    throw fileError(error, 'read', path)
  } finally {
    await file?.close()
  }
}

/**
 * The absolute form of `path` (relative to `root`), if it stays in `root` also after symbolic links are followed as far
 * as the path exists; else MR_FILE_OUTSIDE. `root` itself must exist.
 */
export async function withinRoot(root: string, path: string): Promise<string> {
  const outside = (why: string) =>
    new MillraceError('MR_FILE_OUTSIDE', `path ${JSON.stringify(path)} ${why} ${root}`, {
      hint: 'give a path inside that folder',
    })
  if (path.includes('\0')) throw outside('holds a zero byte and cannot lie in')
  const full = resolve(root, path)
  if (!contains(resolve(root), full)) throw outside('leads out of')
  try {
    const realRoot = await realpath(root)
    for (let part = full; ; part = dirname(part)) {
      try {
        if (!contains(realRoot, await realpath(part))) throw outside('leads, through a symbolic link, out of')
        return full
      } catch (error) {
        // A link to nowhere resolves to nothing, but writing through it would create its target.
        if (!isMissing(error) || (await isLink(part))) throw isMissing(error) ? outside('is a broken link in') : error
      }
    }
  } catch (error) {
    throw fileError(error, 'read', full)
  }
}

function contains(root: string, path: string): boolean {
  const way = relative(root, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isSymbolicLink(),
    () => false,
  )
}
