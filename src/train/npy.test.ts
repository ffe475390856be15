/** .npy files: bytes as NumPy writes them, ranges read back, and torn files found. */
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../test/conformance/training-data.js'
import { NpyFile, npyHeader, NpyWriter } from './npy.js'

describe('npy', () => {
  test('writes a header that NumPy 1.0 files have: magic, version, length, dictionary, newline', () => {
    const header = Buffer.from(npyHeader('float32', 3, 2))
    expect(header.length).toBe(128)
    expect(header.subarray(0, 8)).toEqual(Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]))
    expect(header.readUInt16LE(8)).toBe(118)
    expect(header.toString('latin1', 10).trimEnd()).toBe("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }")
    expect(header.at(-1)).toBe(10)
    expect(Buffer.from(npyHeader('int32', 5)).toString('latin1', 10).trimEnd()).toContain("'<i4'")
    expect(Buffer.from(npyHeader('int32', 5)).toString('latin1', 10)).toContain('(5,)')
  })

  test('reads back any range of what was written in pieces', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'a.npy')
    const writer = await NpyWriter.create(path, 'float32', 2)
    await writer.append(Float32Array.of(1, 2, 3, 4))
    await writer.append(Float32Array.of(-0, Infinity))
    await writer.close()
    const file = NpyFile.open(path)
    expect([file.type, file.rows, file.columns]).toEqual(['float32', 3, 2])
    const into = new Float32Array(4)
    file.read(1, 2, into)
    expect([...into]).toEqual([3, 4, -0, Infinity])
    expect(() => file.read(2, 2, into)).toThrow(RangeError)
    expect(() => file.read(0, 1, new Int32Array(2))).toThrow(TypeError)
    file.close()
  })

  test('reads the file that numpy.save writes for int32', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'numpy.npy')
    // numpy.save(path, numpy.array([7, -1], dtype='int32')), NumPy 2
    const text = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }".padEnd(117) + '\n'
    const bytes = Buffer.concat([
      Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]),
      Buffer.from(text),
      Buffer.from(Int32Array.of(7, -1).buffer),
    ])
    await writeFile(path, bytes)
    const file = NpyFile.open(path)
    const into = new Int32Array(2)
    file.read(0, 2, into)
    expect([...into]).toEqual([7, -1])
    expect(file.columns).toBeUndefined()
    file.close()
  })

  test('an empty array is a file of a header', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'empty.npy')
    await (await NpyWriter.create(path, 'int32', 3)).close()
    const file = NpyFile.open(path)
    expect([file.rows, file.columns]).toEqual([0, 3])
    file.close()
  })

  test('finds files that were not closed, cut short, grown, or of another kind', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'torn.npy')
    const corrupt = (what: string): void =>
      expect(() => NpyFile.open(path), what).toThrow(expect.objectContaining({ code: 'MR_SHARD_CORRUPT' }) as Error)
    const writer = await NpyWriter.create(path, 'float32', 2)
    await writer.append(Float32Array.of(1, 2, 3, 4))
    corrupt('not closed')
    await writer.close()
    const whole = await readFile(path)
    await truncate(path, whole.length - 1)
    corrupt('one byte short')
    await truncate(path, 64)
    corrupt('cut inside the header')
    await writeFile(path, Buffer.concat([whole, Buffer.alloc(1)]))
    corrupt('one byte more')
    await writeFile(path, Buffer.from(whole.toString('latin1').replace('<f4', '<f8'), 'latin1'))
    corrupt('float64')
    await writeFile(path, Buffer.from(whole.toString('latin1').replace('False', 'True '), 'latin1'))
    corrupt('column-major')
    await writeFile(path, '')
    corrupt('empty')
    await expect(NpyWriter.create(path, 'int32')).rejects.toThrow('EEXIST')
    expect(() => NpyFile.open(join(folder.path, 'none'))).toThrow(
      expect.objectContaining({ code: 'MR_FILE_MISSING' }) as Error,
    )
  })
})
