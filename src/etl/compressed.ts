/**
 * Compressed files are whole, or refused before a row of them is used: DuckDB takes a torn one for one that ends there,
 * and does not look at the checksum of gzip. (That of zstd it does check.)
 */
import { createReadStream } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { Decompress } from 'fzstd'
import { MillraceError } from '../core/errors.js'
import { fileError } from '../core/files.js'

export type Packing = 'gzip' | 'zstd'

/** How a file is compressed, by its name in any case. */
export const packingOf = (path: string): Packing | undefined =>
  /\.gz$/i.test(path) ? 'gzip' : /\.zst$/i.test(path) ? 'zstd' : undefined

/** What a file that is not compressed, or is, begins with, decompressed; about as many bytes as are asked for. */
export async function readStart(path: string, wanted: number): Promise<Buffer> {
  const packing = packingOf(path)
  const parts: Uint8Array[] = []
  let size = 0
  const take = (part: Uint8Array): void => {
    parts.push(part)
    size += part.length
  }
  const file = createReadStream(path, packing === undefined ? { end: wanted - 1 } : {})
  const stream = packing === 'gzip' ? createGunzip() : file
  try {
    const zstd = packing === 'zstd' ? new Decompress(take) : undefined
    if (packing === 'gzip') file.on('error', (error) => stream.destroy(error)).pipe(stream as Writable)
    for await (const part of stream as AsyncIterable<Buffer>) {
      if (zstd === undefined) take(part)
      else zstd.push(part)
      if (size >= wanted) break
    }
    return Buffer.concat(parts)
  } catch (error) {
    throw packing !== undefined && isDecoding(error) ? torn(path, packing, error) : fileError(error, 'read', path)
  } finally {
    stream.destroy()
    file.destroy()
  }
}

/** Throws MR_SOURCE_CORRUPT for a compressed file that is torn or damaged. */
export async function requireWhole(path: string, signal?: AbortSignal): Promise<void> {
  const packing = packingOf(path)
  if (packing === undefined) return
  try {
    if (packing === 'gzip') await gunzipAll(path, signal)
    else await walkFrames(path)
  } catch (error) {
    if (signal?.aborted === true) throw new MillraceError('MR_CANCELLED', `interrupted while reading ${path}`)
    throw isDecoding(error) ? torn(path, packing, error) : fileError(error, 'read', path)
  }
}

const torn = (path: string, packing: Packing, cause: unknown): MillraceError =>
  new MillraceError('MR_SOURCE_CORRUPT', `${path} is not a whole ${packing} file: ${said(cause)}`, {
    hint: `it is truncated, damaged or something else (${packing === 'gzip' ? 'gzip' : 'zstd'} -t says the same): export or copy it again`,
    cause,
  })

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''

/** System errors have a code that begins with E, those of zlib with Z_, those of fzstd a number. */
const isDecoding = (error: unknown): boolean =>
  error instanceof Error && !/^E[A-Z]/.test(String((error as NodeJS.ErrnoException).code ?? ''))

/** To the end and its checksum; the bytes go nowhere. */
async function gunzipAll(path: string, signal?: AbortSignal): Promise<void> {
  const nowhere = new Writable({ write: (_bytes, _encoding, done) => done() })
  const options = signal === undefined ? {} : { signal }
  await pipeline(
    createReadStream(path, { highWaterMark: 2 ** 18 }),
    createGunzip({ chunkSize: 2 ** 18 }),
    nowhere,
    options,
  )
}

const ZSTD = 0xfd2fb528
const SKIPPED = 0x184d2a50

/**
 * Goes from block to block without decoding any: all that frames begin is there (RFC 8878, 3.1). What the blocks hold
 * is checked by whoever decodes them.
 */
async function walkFrames(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    if (size === 0) throw new Error('it has no bytes')
    for (let at = 0; at < size;) at = await frameEnd(file, at, size)
  } finally {
    await file.close()
  }
}

async function frameEnd(file: FileHandle, start: number, size: number): Promise<number> {
  const header = await bytesAt(file, start, 18, size)
  if (header.length < 4) throw new Error('unexpected end of file')
  const magic = header.readUInt32LE(0)
  const need = (end: number): number => {
    if (end > size) throw new Error('unexpected end of file')
    return end
  }
  if ((magic & 0xfffffff0) >>> 0 === SKIPPED) {
    need(start + 8)
    return need(start + 8 + header.readUInt32LE(4))
  }
  if (magic !== ZSTD)
    throw new Error(start === 0 ? 'it does not begin as one' : `what follows at byte ${start} is none`)
  need(start + 5)
  const descriptor = header[4] ?? 0
  const isSingle = (descriptor & 0x20) !== 0
  const content = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0
  let at = start + 5 + (isSingle ? 0 : 1) + dictionary + content
  for (let isLast = false; !isLast;) {
    need(at + 3)
    const block = (await bytesAt(file, at, 3, size)).readUIntLE(0, 3)
    isLast = (block & 1) === 1
    // a repeated byte stands there once
    at = need(at + 3 + (((block >> 1) & 3) === 1 ? 1 : block >> 3))
  }
  return need(at + ((descriptor & 4) !== 0 ? 4 : 0))
}

async function bytesAt(file: FileHandle, at: number, length: number, size: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - at)))
  for (let done = 0; done < buffer.length;) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, at + done)
    if (bytesRead === 0) throw new Error('unexpected end of file')
    done += bytesRead
  }
  return buffer
}
