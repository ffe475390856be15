/**
 * Copies of objects below a folder, one a version: `<digest of the address>/<digest of tag and size>.csv.gz`, and beside
 * it the SHA-256 of its bytes, in `….sha256`. Keys never become paths. A copy is there whole or not at all; what a killed
 * process leaves is a `.part`, whose synced bytes the next one goes on with.
 */
import { createHash, type Hash, randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { MillraceError } from '../../core/errors.js'
import { fileError, readBlocks, sha256File, syncFolder, writeFileAtomic } from '../../core/files.js'
import type { ObjectVersion, Source } from '../relation.js'
import { cancelled, openStore, options, type S3Options, type Store } from './store.js'

/** Told while objects are fetched, in bytes; objects that are in the cache already are not counted. */
export type Fetched = (bytes: { readonly done: number; readonly total: number }) => void

/** Objects that are fetched at a time. */
const AT_ONCE = 4
/** Bytes of a part are safe up to the last multiple of this: what lies behind may be lost with the power. */
const SYNCED = 8 * 2 ** 20

const digest = (...parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex')

/** Where the copy of an object is or will be; its name says the format, as those of files do. */
export function cachePath({ cache, endpoint }: S3Options, { name, etag, size }: ObjectVersion): string {
  const [ending = ''] = /\.(csv|data|tsv|json|jsonl|ndjson|parquet)(\.gz|\.zst)?$/i.exec(name) ?? []
  const address = digest(endpoint ?? 'aws', name)
  return join(cache, address.slice(0, 2), address, `${digest(etag, size).slice(0, 32)}${ending.toLowerCase()}`)
}

/**
 * Makes sure that all files of the source are in the cache, whole. A version that is there is not fetched again; older
 * ones of the same object are removed.
 * Throws MR_SOURCE_S3, MR_SOURCE_CHANGED, MR_SOURCE_CORRUPT, MR_DISK_FULL, MR_CANCELLED.
 */
export async function fetchObjects(
  source: Source,
  s3: S3Options,
  { progress, signal }: { readonly progress?: Fetched; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const wanted: { readonly path: string; readonly object: ObjectVersion }[] = []
  for (const path of source.paths) {
    const object = source.objects?.[path]
    if (object !== undefined && !(await isWhole(path, object.size, signal))) wanted.push({ path, object })
  }
  if (wanted.length === 0) return
  const total = wanted.reduce((sum, { object }) => sum + object.size, 0)
  let done = 0
  const count = (bytes: number): void => progress?.({ done: (done += bytes), total })
  await using store = await openStore(wanted[0]?.object.name ?? '', s3)
  // the first failure ends the others
  const stop = new AbortController()
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const left = wanted.values()
  let failure: unknown
  const work = async (): Promise<void> => {
    for (const { path, object } of left) {
      if (both.aborted) return
      await fetchOne(store, s3, object, path, count, both).catch((error: unknown) => {
        failure ??= error
        stop.abort(error)
      })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  if (signal?.aborted === true) throw cancelled(signal)
  if (failure !== undefined) throw failure as Error
}

/** True for a copy whose bytes are those that were fetched; one that is damaged is removed. */
async function isWhole(path: string, size: number, signal?: AbortSignal): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return false
  const noted = await readFile(`${path}.sha256`, 'utf8').catch(() => '')
  if (found.size === size && (await sha256File(path, signal)).digest === noted) return true
  await rm(path, { force: true })
  return false
}

async function fetchOne(
  store: Store,
  s3: S3Options,
  object: ObjectVersion,
  path: string,
  count: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const key = object.name.slice(`s3://${store.bucket}/`.length)
  const folder = dirname(path)
  const part = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.part`
  try {
    await mkdir(folder, { recursive: true })
    await adopt(path, part)
    for (let attempt = 1; ; attempt++) {
      const copy = await openPart(part, object.size, signal)
      try {
        const before = copy.size
        count(before)
        await store.request(key, () => append(store, s3, key, object, copy, count, signal), signal)
        if (copy.isRight()) {
          await copy.file.sync()
          await copy.file.close()
          await writeFileAtomic(`${path}.sha256`, `sha256:${copy.sha256.digest('hex')}`)
          await rename(part, path)
          await syncFolder(folder)
          break
        }
        count(-copy.size)
      } finally {
        await copy.file.close().catch(() => undefined)
      }
      await rm(part, { force: true })
      if (attempt === 2)
        throw new MillraceError(
          'MR_SOURCE_CORRUPT',
          `${object.name}: its bytes do not have the digest that the store tells`,
          {
            hint: 'fetch it by another tool and compare; if it differs there too, upload it again',
          },
        )
    }
    await removeOlder(path)
  } catch (error) {
    throw fileError(error, 'write', folder)
  }
}

/** The parts that processes left which are no more: one is taken over, the rest removed. */
async function adopt(path: string, part: string): Promise<void> {
  for (const name of await readdir(dirname(path))) {
    const [, pid] = name.startsWith(`${basename(path)}.`) ? (/\.(\d+)-[0-9a-f]+\.part$/.exec(name) ?? []) : []
    if (pid === undefined || Number(pid) === process.pid || isAlive(Number(pid))) continue
    const left = join(dirname(path), name)
    if ((await stat(part).catch(() => undefined)) === undefined) await rename(left, part).catch(() => undefined)
    else await rm(left, { force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Versions of the same object that were fetched before. */
async function removeOlder(path: string): Promise<void> {
  const version = basename(path).split('.')[0] ?? ''
  for (const name of await readdir(dirname(path)))
    if (!name.startsWith(version) && !name.endsWith('.part')) await rm(join(dirname(path), name), { force: true })
}

interface Copy {
  readonly file: FileHandle
  size: number
  sha256: Hash
  md5: Hash
  /** The digest that the store tells, if it tells one. */
  told?: string
  readonly isRight: () => boolean
}

/** What is safe of a part, digested; a new one if there is none. */
async function openPart(part: string, size: number, signal: AbortSignal): Promise<Copy> {
  const found = await stat(part).catch(() => undefined)
  const kept = Math.min(Math.floor((found?.size ?? 0) / SYNCED) * SYNCED, size)
  const file = await open(part, found === undefined ? 'wx+' : 'r+')
  const copy: Copy = {
    file,
    size: kept,
    sha256: createHash('sha256'),
    md5: createHash('md5'),
    isRight: () => copy.size === size && (copy.told === undefined || copy.md5.digest('hex') === copy.told),
  }
  try {
    await file.truncate(kept)
    if (kept > 0)
      for await (const block of readBlocks(part, signal)) {
        copy.sha256.update(block)
        copy.md5.update(block)
      }
    return copy
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Asks for the rest of the object, and goes on where it stands if the way breaks: then it throws what can pass. */
async function append(
  store: Store,
  { patience = 60_000 }: S3Options,
  key: string,
  object: ObjectVersion,
  copy: Copy,
  count: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  if (copy.size === object.size && object.size > 0) return
  const { GetObjectCommand } = await import('@aws-sdk/client-s3')
  const answer = await store.client.send(
    new GetObjectCommand({
      Bucket: store.bucket,
      Key: key,
      IfMatch: object.etag,
      ...(copy.size === 0 ? {} : { Range: `bytes=${copy.size}-` }),
    }),
    options(signal),
  )
  const body = answer.Body as (AsyncIterable<Uint8Array> & { destroy(error?: Error): void }) | undefined
  if (body === undefined) throw new Error('an answer without a body')
  // bytes that stop coming are as good as a broken connection
  let timer: NodeJS.Timeout | undefined
  const watch = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => body.destroy(new Error('Timeout: no more bytes came')), patience)
  }
  try {
    if (answer.ETag !== undefined && answer.ETag !== object.etag) throw changed(object)
    if (copy.size > 0 && answer.ContentRange?.startsWith(`bytes ${copy.size}-`) !== true) {
      // a store that knows no ranges begins again
      count(-copy.size)
      Object.assign(copy, { size: 0, sha256: createHash('sha256'), md5: createHash('md5') })
      await copy.file.truncate(0)
    }
    const told = md5Of(store.bucket, object.etag, answer)
    if (told !== undefined) copy.told = told
    watch()
    for await (const bytes of body) {
      watch()
      if (copy.size + bytes.length > object.size) throw changed(object)
      await write(copy, bytes)
      count(bytes.length)
    }
    if (copy.size < object.size) throw new Error('Timeout: the connection ended before the object did')
  } finally {
    clearTimeout(timer)
    body.destroy()
  }
}

async function write(copy: Copy, bytes: Uint8Array): Promise<void> {
  for (let from = 0; from < bytes.length;) {
    // never a byte behind a boundary before all in front of it are on the disk
    const end = Math.min(bytes.length, from + SYNCED - (copy.size % SYNCED))
    const piece = bytes.subarray(from, end)
    for (let done = 0; done < piece.length;)
      done += (await copy.file.write(piece, done, piece.length - done, copy.size + done)).bytesWritten
    copy.sha256.update(piece)
    copy.md5.update(piece)
    copy.size += piece.length
    from = end
    if (copy.size % SYNCED === 0) await copy.file.datasync()
  }
}

const changed = ({ name }: ObjectVersion): MillraceError =>
  new MillraceError('MR_SOURCE_CHANGED', `${name} changed while it was read`, {
    hint: 'run again when nobody writes to it',
    retryable: true,
  })

/** A tag is the MD5 of the bytes unless they were uploaded in parts or are encrypted with a key of one's own. */
function md5Of(
  bucket: string,
  etag: string,
  {
    ServerSideEncryption: encryption,
    SSECustomerAlgorithm: own,
  }: Pick<GetObjectCommandOutput, 'ServerSideEncryption' | 'SSECustomerAlgorithm'>,
): string | undefined {
  const [, md5] = /^"?([0-9a-f]{32})"?$/i.exec(etag) ?? []
  const isPlain =
    own === undefined && (encryption === undefined || encryption === 'AES256') && !bucket.endsWith('--x-s3')
  return isPlain ? md5?.toLowerCase() : undefined
}
