/**
 * NumPy's .npy files, format 1.0 (numpy.lib.format): float32 and int32, row-major, of one or two dimensions. Written as
 * a stream: the header is a row of zeros until `close` puts the real one there, so a torn file is never taken for one.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { MillraceError } from '../core/errors.js'
import { fileError } from '../core/files.js'

export type NpyType = 'float32' | 'int32'
export type NpyData = Float32Array | Int32Array

/** Always this long, so that the row count can be filled in last. 128 is a multiple of 64, as the format asks. */
const HEADER_BYTES = 128
const MAGIC = '\x93NUMPY'
const DESCR: Readonly<Record<NpyType, string>> = { float32: '<f4', int32: '<i4' }

/** The 128 bytes in front of the values. `columns` undefined: one dimension. */
export function npyHeader(type: NpyType, rows: number, columns?: number): Uint8Array {
  const shape = columns === undefined ? `(${rows},)` : `(${rows}, ${columns})`
  const text = `{'descr': '${DESCR[type]}', 'fortran_order': False, 'shape': ${shape}, }`
  const header = Buffer.alloc(HEADER_BYTES, ' ')
  header.write(MAGIC, 0, 'latin1')
  header.writeUInt8(1, 6)
  header.writeUInt8(0, 7)
  header.writeUInt16LE(HEADER_BYTES - 10, 8)
  header.write(text, 10, 'latin1')
  header.write('\n', HEADER_BYTES - 1)
  return header
}

/** Writes one array, a run of rows at a time. */
export class NpyWriter {
  #rows = 0
  private constructor(
    private readonly file: FileHandle,
    private readonly type: NpyType,
    private readonly columns: number | undefined,
  ) {}

  /** Makes the file at `path`, which must not exist. */
  static async create(path: string, type: NpyType, columns?: number): Promise<NpyWriter> {
    const writer = new NpyWriter(await open(path, 'wx'), type, columns)
    await writer.#write(new Uint8Array(HEADER_BYTES))
    return writer
  }

  /** Appends whole rows. `data` may be reused once the promise is settled. */
  async append(data: NpyData): Promise<void> {
    const width = this.columns ?? 1
    if (data.length % width !== 0) throw new RangeError(`${data.length} values are not whole rows of ${width}`)
    await this.#write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    this.#rows += data.length / width
  }

  /** Writes the header; only now is the file readable. */
  async close(): Promise<void> {
    try {
      await this.#write(npyHeader(this.type, this.#rows, this.columns), 0)
      await this.file.sync()
    } finally {
      await this.file.close()
    }
  }

  /** Lets go of the file and leaves it unreadable. */
  async abandon(): Promise<void> {
    await this.file.close()
  }

  async #write(bytes: Uint8Array, position?: number): Promise<void> {
    for (let done = 0; done < bytes.byteLength;) {
      const at = position === undefined ? null : position + done
      done += (await this.file.write(bytes, done, bytes.byteLength - done, at)).bytesWritten
    }
  }
}

/** A .npy file open for reading ranges of rows. Reads block, so use it off the main thread or for small ranges. */
export class NpyFile {
  private constructor(
    readonly path: string,
    readonly type: NpyType,
    readonly rows: number,
    /** Undefined for one dimension. */
    readonly columns: number | undefined,
    private readonly descriptor: number,
    private readonly offset: number,
  ) {}

  /** Opens and checks the header and the length; MR_SHARD_CORRUPT if the file is torn, truncated or of another kind. */
  static open(path: string): NpyFile {
    let descriptor: number
    try {
      descriptor = openSync(path, 'r')
    } catch (cause) {
      throw fileError(cause, 'read', path)
    }
    try {
      return NpyFile.#check(path, descriptor)
    } catch (error) {
      closeSync(descriptor)
      throw error
    }
  }

  static #check(path: string, descriptor: number): NpyFile {
    const corrupt = (what: string): MillraceError =>
      new MillraceError('MR_SHARD_CORRUPT', `${path} ${what}`, { hint: 'remove it and run the pack stage again' })
    const start = Buffer.alloc(10)
    if (readFully(descriptor, start, 0) < 10 || start.toString('latin1', 0, 6) !== MAGIC)
      throw corrupt('is not a whole .npy file')
    if (start[6] !== 1) throw corrupt(`is .npy version ${start[6] ?? 0}; version 1 is read`)
    const length = start.readUInt16LE(8)
    const text = Buffer.alloc(length)
    if (readFully(descriptor, text, 10) < length) throw corrupt('ends inside its header')
    const found =
      /^\{'descr': '<(f4|i4)', 'fortran_order': False, 'shape': \((\d{1,15}),(?: ?(\d{1,15}),?)?\),? ?\}\s*$/.exec(
        text.toString('latin1'),
      )
    if (!found) throw corrupt('does not hold little-endian float32 or int32 in rows')
    const rows = Number(found[2])
    const columns = found[3] === undefined ? undefined : Number(found[3])
    const expected = 10 + length + rows * (columns ?? 1) * 4
    const size = fstatSync(descriptor).size
    if (size !== expected) throw corrupt(`has ${size} bytes where its header promises ${expected}`)
    return new NpyFile(path, found[1] === 'f4' ? 'float32' : 'int32', rows, columns, descriptor, 10 + length)
  }

  /** Fills the front of `into` with rows [start, start + rows); `into` has this file's type. */
  read(start: number, rows: number, into: NpyData): void {
    const width = this.columns ?? 1
    if (start < 0 || rows < 0 || start + rows > this.rows)
      throw new RangeError(`rows ${start} to ${start + rows} of ${this.path}, which has ${this.rows}`)
    if (into instanceof Float32Array !== (this.type === 'float32'))
      throw new TypeError(`${this.path} holds ${this.type}`)
    const bytes = new Uint8Array(into.buffer, into.byteOffset, rows * width * 4)
    if (readFully(this.descriptor, bytes, this.offset + start * width * 4) < bytes.byteLength)
      throw new MillraceError('MR_SHARD_CORRUPT', `${this.path} became shorter while it was read`)
  }

  close(): void {
    closeSync(this.descriptor)
  }
}

function readFully(descriptor: number, into: Uint8Array, position: number): number {
  let done = 0
  while (done < into.byteLength) {
    const count = readSync(descriptor, into, done, into.byteLength - done, position + done)
    if (count === 0) break
    done += count
  }
  return done
}
