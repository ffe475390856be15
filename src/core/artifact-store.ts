/**
 * Artifacts in a folder:
 *   sha256/ab/<hex>    read-only blobs, named by their digest
 *   scratch/<owner>/   work in progress; <owner> says which process, so that the next start can clear what a dead one left
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  open,
  readFile,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  utimes,
} from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join, resolve, sep } from 'node:path'
import type { ArtifactRef, ArtifactStore } from './artifacts.js'
import { MillraceError } from './errors.js'
import { fileError, isAlive, makeFolder, sha256File, syncFolder, type Digest } from './files.js'

const DIGEST = /^sha256:[0-9a-f]{64}$/
const DAY = 24 * 3600 * 1000
/**
 * The time of the last change that every blob is given. One with another time was written to behind the store's back, or
 * copied: `has` then reads it. So what a run takes from earlier ones is looked at without being read each time.
 */
const UNTOUCHED = Date.UTC(1980, 0, 2)

/** True for a well-formed reference; whether the store has it is another question. */
export function isArtifactRef(value: unknown): value is ArtifactRef {
  if (typeof value !== 'object' || value === null) return false
  const { digest, mediaType, size } = value as Partial<Record<keyof ArtifactRef, unknown>>
  return (
    typeof digest === 'string' && DIGEST.test(digest) && typeof mediaType === 'string' && Number.isSafeInteger(size)
  )
}

export interface StoreOptions {
  /** Changes and makes nothing, also where there is no store yet: then it has no artifacts. */
  readonly readOnly?: boolean
}

/**
 * Opens a store, and creates it if it is not there. With `readOnly` it only reads: `put`, `putFile` and `scratch` throw
 * MR_FILE_ACCESS. Blobs are synced before they become visible, so a killed process leaves at most scratch
 * files. A blob found damaged is set aside as `<hex>.corrupt`: the stage that made it then runs again.
 */
export async function openArtifactStore(root: string, options: StoreOptions = {}): Promise<ArtifactStore> {
  try {
    if (options.readOnly === true) return new FolderStore(resolve(root), true)
    await makeFolder(join(root, 'sha256'))
    await mkdir(join(root, 'scratch'), { recursive: true })
    await clearScratch(join(root, 'scratch'))
    return new FolderStore(await realpath(root), false)
  } catch (error) {
    throw fileError(error, 'open the artifact store', root)
  }
}

class FolderStore implements ArtifactStore {
  readonly #root: string
  readonly #scratch: string
  readonly #readOnly: boolean
  readonly #verified = new Set<string>()
  readonly #folders = new Set<string>()

  constructor(root: string, readOnly: boolean) {
    this.#root = root
    this.#readOnly = readOnly
    this.#scratch = join(root, 'scratch', `${ownerPrefix()}${randomBytes(4).toString('hex')}`)
  }

  async put(bytes: Uint8Array | string, mediaType: string): Promise<ArtifactRef> {
    this.#checkWritable()
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes
    const digest: Digest = `sha256:${createHash('sha256').update(data).digest('hex')}`
    const ref: ArtifactRef = { digest, mediaType, size: data.length }
    const target = this.#locate(digest)
    try {
      if (await this.#isGood(ref)) return ref
      const temporary = await this.#temporary()
      const file = await open(temporary, 'wx', 0o444)
      try {
        await file.writeFile(data)
        await file.utimes(UNTOUCHED / 1000, UNTOUCHED / 1000)
        await file.sync()
      } finally {
        await file.close()
      }
      await this.#publish(temporary, target, digest)
      return ref
    } catch (error) {
      throw fileError(error, 'write artifact', target)
    }
  }

  async putFile(path: string, mediaType: string, options: { readonly move?: boolean } = {}): Promise<ArtifactRef> {
    this.#checkWritable()
    try {
      const found = await lstat(path)
      const inScratch = (await realpath(dirname(path))).startsWith(this.#scratch + sep)
      let source = path
      if (options.move !== true || !inScratch || !found.isFile()) {
        // Hashed after copying: what is stored is what was hashed, also if somebody writes to the original meanwhile.
        source = await this.#temporary()
        await copyFile(path, source)
      }
      const { digest, size } = await sha256File(source)
      const ref: ArtifactRef = { digest, mediaType, size }
      if (await this.#isGood(ref)) {
        await rm(source)
        return ref
      }
      await chmod(source, 0o600)
      const file = await open(source, 'r+')
      try {
        await file.utimes(UNTOUCHED / 1000, UNTOUCHED / 1000)
        await file.sync()
        await file.chmod(0o444)
      } finally {
        await file.close()
      }
      await this.#publish(source, this.#locate(digest), digest)
      return ref
    } catch (error) {
      throw fileError(error, 'store', path)
    }
  }

  async get(ref: ArtifactRef): Promise<Uint8Array> {
    const path = this.#locate(ref.digest)
    const bytes = await readFile(path).catch((error: unknown) => {
      throw this.#readError(error, ref, path)
    })
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    if (digest !== ref.digest) throw await this.#corrupt(ref, path, bytes.length)
    return bytes
  }

  async path(ref: ArtifactRef): Promise<string> {
    const path = this.#locate(ref.digest)
    if (this.#verified.has(ref.digest)) {
      await stat(path).catch((error: unknown) => {
        throw this.#readError(error, ref, path)
      })
      return path
    }
    const found = await sha256File(path).catch((error: unknown) => {
      throw this.#readError(error, ref, path)
    })
    if (found.digest !== ref.digest) throw await this.#corrupt(ref, path, found.size)
    this.#verified.add(ref.digest)
    return path
  }

  async has(ref: ArtifactRef): Promise<boolean> {
    const path = this.#locate(ref.digest)
    const found = await stat(path).catch((error: unknown) => {
      if (isMissing(error)) return undefined
      throw fileError(error, 'look for artifact', path)
    })
    if (!found?.isFile() || found.size !== ref.size) return false
    if (found.mtimeMs === UNTOUCHED) return true
    if ((await sha256File(path)).digest !== ref.digest) return false
    if (!this.#readOnly) await utimes(path, UNTOUCHED / 1000, UNTOUCHED / 1000).catch(() => undefined)
    return true
  }

  async scratch(): Promise<string> {
    this.#checkWritable()
    const folder = join(this.#scratch, randomBytes(6).toString('hex'))
    try {
      await mkdir(folder, { recursive: true })
      return folder
    } catch (error) {
      throw fileError(error, 'create', folder)
    }
  }

  async close(): Promise<void> {
    if (!this.#readOnly) await rm(this.#scratch, { recursive: true, force: true })
  }

  #checkWritable(): void {
    if (!this.#readOnly) return
    throw new MillraceError('MR_FILE_ACCESS', `the artifact store ${this.#root} was opened to read and takes nothing`)
  }

  #locate(digest: string): string {
    if (!DIGEST.test(digest)) {
      throw new MillraceError(
        'MR_ARTIFACT_INVALID',
        `artifact ${JSON.stringify(digest)}: must be sha256:<64 hex digits>`,
      )
    }
    const hex = digest.slice('sha256:'.length)
    return join(this.#root, 'sha256', hex.slice(0, 2), hex)
  }

  async #temporary(): Promise<string> {
    await mkdir(this.#scratch, { recursive: true })
    return join(this.#scratch, `${randomBytes(6).toString('hex')}.tmp`)
  }

  /** True if the blob is there and whole; a damaged one will be replaced by the same content. */
  async #isGood(ref: ArtifactRef): Promise<boolean> {
    if (!(await this.has(ref))) return false
    if (this.#verified.has(ref.digest)) return true
    const found = await sha256File(this.#locate(ref.digest))
    return found.digest === ref.digest
  }

  async #publish(temporary: string, target: string, digest: string): Promise<void> {
    const folder = dirname(target)
    if (!this.#folders.has(folder)) {
      await mkdir(folder, { recursive: true })
      // also where it was there: who made it may have been killed before this
      await syncFolder(dirname(folder))
      this.#folders.add(folder)
    }
    await rename(temporary, target)
    await syncFolder(folder)
    this.#verified.add(digest)
  }

  #readError(error: unknown, ref: ArtifactRef, path: string): unknown {
    if (!isMissing(error) && !(error instanceof MillraceError && error.code === 'MR_FILE_MISSING')) {
      return fileError(error, 'read artifact', path)
    }
    return new MillraceError(
      'MR_ARTIFACT_MISSING',
      `artifact ${ref.digest} (${ref.mediaType}) is not in ${this.#root}`,
      {
        hint: 'run the pipeline again: the stage that makes it will be done anew',
        cause: error,
      },
    )
  }

  async #corrupt(ref: ArtifactRef, path: string, size: number): Promise<MillraceError> {
    // where it cannot be set aside it stays, and is found damaged again
    if (!this.#readOnly) await rename(path, `${path}.corrupt`).catch(() => undefined)
    this.#verified.delete(ref.digest)
    return new MillraceError(
      'MR_ARTIFACT_CORRUPT',
      `artifact ${path} (${ref.mediaType}) is damaged: its ${size} bytes (${ref.size} expected) do not have its digest`,
      {
        // who only reads leaves it where it is, and where its time is as it was a run takes it for good
        hint: `run the pipeline again${this.#readOnly ? ' with --force' : ''}: the stage that makes it will be done anew; and have the disk looked at`,
      },
    )
  }
}

/** `host~pid~start~`: the start tells a process from an earlier one that had its number (in containers, often 1). */
function ownerPrefix(): string {
  return `${hostname().replaceAll(/[^\w.-]/g, '_')}~${process.pid}~${Math.round(performance.timeOrigin)}~`
}

async function clearScratch(scratch: string): Promise<void> {
  const own = ownerPrefix()
  for (const name of await readdir(scratch)) {
    if (name.startsWith(own)) continue
    const [host, pid] = name.split('~')
    const folder = join(scratch, name)
    if (host === own.split('~')[0]) {
      if (Number(pid) !== process.pid && isAlive(Number(pid))) continue
    } else {
      // Another machine's, on a shared disk: its processes cannot be asked, so only long after it was last used.
      const age = Date.now() - (await stat(folder).then((found) => found.mtimeMs, Date.now))
      if (age < DAY) continue
    }
    await rm(folder, { recursive: true, force: true })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
