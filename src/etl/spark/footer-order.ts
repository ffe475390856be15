/**
 * The same footer for the same Parquet file. Spark's writer lists the encodings of a column in the order of a hash set of
 * its process, so two executors write different bytes for the same rows. Here each such list is put in order in place:
 * a footer is Thrift's compact protocol (apache/parquet-format, parquet.thrift), and an order changes no length.
 */
import { open } from 'node:fs/promises'
import { MillraceError } from '../../core/errors.js'

/** Fields by number: of the file its row groups, of each its columns, of each its metadata; encodings, and their counts. */
const IN_ANY_ORDER = new Set(['.4.1.3.2', '.4.1.3.13'])
const [BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT] = [3, 7, 8, 9, 10, 11, 12]

/** Rewrites the footer of a file that nobody reads yet. Throws MR_SOURCE_CORRUPT for what is no whole Parquet file. */
export async function orderFooter(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const { size } = await file.stat()
    const tail = Buffer.alloc(8)
    await file.read(tail, 0, 8, Math.max(0, size - 8))
    const length = tail.readUInt32LE(0)
    if (tail.toString('latin1', 4) !== 'PAR1' || length > size - 12)
      throw new MillraceError('MR_SOURCE_CORRUPT', `${path} is not a whole Parquet file`)
    const footer = Buffer.alloc(length)
    await file.read(footer, 0, length, size - 8 - length)
    const ordered = orderLists(footer)
    if (!ordered.equals(footer)) await file.write(ordered, 0, length, size - 8 - length)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The footer's bytes with the lists in order. */
export function orderLists(footer: Buffer): Buffer {
  const bytes = Buffer.from(footer)
  let at = 0
  const byte = (): number => bytes.readUInt8(at++)
  const varint = (): number => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const next = byte()
      value += (next & 127) * factor
      if (next < 128) return value
    }
  }
  const walk = (type: number, path: string, inList: boolean): void => {
    switch (type) {
      case 1:
      case 2:
        if (inList) at++ // elsewhere a truth value is its own type
        return
      case BYTE:
        at++
        return
      case DOUBLE:
        at += 8
        return
      case BINARY: {
        const length = varint()
        at += length
        return
      }
      case LIST:
      case SET: {
        const head = byte()
        const count = head >> 4 === 15 ? varint() : head >> 4
        const start = at
        const items: Buffer[] = []
        for (let i = 0; i < count; i++) {
          const from = at
          walk(head & 15, path, true)
          if (IN_ANY_ORDER.has(path)) items.push(Buffer.from(bytes.subarray(from, at)))
        }
        if (items.length > 1) Buffer.concat(items.sort((a, b) => Buffer.compare(a, b))).copy(bytes, start)
        return
      }
      case MAP: {
        const count = varint()
        const types = count === 0 ? 0 : byte()
        for (let i = 0; i < count; i++) {
          walk(types >> 4, `${path}.key`, true)
          walk(types & 15, `${path}.value`, true)
        }
        return
      }
      case STRUCT: {
        let id = 0
        for (let head = byte(); head !== 0; head = byte()) {
          const delta = head >> 4
          const zigzag = delta === 0 ? varint() : 0
          id = delta === 0 ? (zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2) : id + delta
          walk(head & 15, `${path}.${id}`, false)
        }
        return
      }
      default:
        varint()
    }
  }
  walk(STRUCT, '', false)
  if (at !== bytes.length)
    throw new MillraceError('MR_INTERNAL_BUG', `a Parquet footer of ${bytes.length} bytes was read to ${at}`)
  return bytes
}
