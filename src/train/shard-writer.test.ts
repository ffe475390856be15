/** Shards: batches in, files out, ranges back; values that cannot be trained on are refused. */
import { readdir } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { makeRows, temporaryFolder, writeRows } from '../../test/conformance/training-data.js'
import { allocateRows, ShardReader } from './shard-reader.js'
import { ShardWriter } from './shard-writer.js'

const PROBLEM = { numeric: 2, categories: [5], classes: 3 }
const rows = makeRows(PROBLEM, 23, 1, (_n, _c, rng) => rng.below(3))

describe('shards', () => {
  test('keep the rows and their order across shards', async () => {
    await using folder = await temporaryFolder()
    const set = await writeRows(folder.path, 'train', PROBLEM, rows, 10)
    expect(set).toMatchObject({ rows: 23, numeric: 2, categories: 1, label: 'int32' })
    expect(set.shards.map((shard) => shard.rows)).toEqual([10, 10, 3])
    using reader = new ShardReader(set)
    const found: unknown[] = []
    for (const { rows: count, values } of reader.chunks(4))
      for (let i = 0; i < count; i++)
        found.push({
          numeric: [...values.numeric.subarray(i * 2, i * 2 + 2)],
          categories: [values.categories[i]],
          label: values.label[i],
        })
    expect(found).toEqual(rows)
    const into = allocateRows(set, 3)
    reader.read(1, 8, 2, into, 1)
    expect([...into.label]).toEqual([0, rows[18]?.label, rows[19]?.label])
  })

  test('are bytes that depend on the rows alone, not on the batches', async () => {
    await using folder = await temporaryFolder()
    const layout = { numeric: ['a'], categories: [], label: { name: 'y', type: 'float32' as const } }
    const schema = [
      { name: 'y', type: 'number' as const },
      { name: '__proto__', type: 'number' as const },
      { name: 'a', type: 'number' as const },
    ]
    const write = async (prefix: string, sizes: readonly number[]): Promise<readonly number[]> => {
      const writer = new ShardWriter(folder.path, prefix, layout, 4)
      let at = 0
      for (const size of sizes) {
        const values = Float64Array.from({ length: size }, (_, i) => at + i)
        await writer.append({ schema, rows: size, columns: [values, values, values] })
        at += size
      }
      using reader = new ShardReader(await writer.close())
      const found: number[] = []
      for (const { rows: count, values } of reader.chunks(3)) found.push(...values.numeric.subarray(0, count))
      return found
    }
    const whole = Array.from({ length: 9 }, (_, i) => i)
    expect(await write('one', [9])).toEqual(whole)
    expect(await write('many', [0, 1, 5, 0, 3])).toEqual(whole)
  })

  test('of no rows are none, and of features without numbers have no numeric file', async () => {
    await using folder = await temporaryFolder()
    expect((await writeRows(folder.path, 'empty', PROBLEM, [])).shards).toEqual([])
    const only = { numeric: 0, categories: [4], classes: 2 }
    await writeRows(
      folder.path,
      'some',
      only,
      makeRows(only, 3, 1, () => 1),
    )
    expect((await readdir(folder.path)).sort()).toEqual(['some-00000.categories.npy', 'some-00000.label.npy'])
  })

  const good = { numeric: [0, 0], categories: [0], label: 0 }
  test.each([
    ['a missing number', { ...good, numeric: [0, NaN] }, /column "x1", row 1 .* NaN is not a finite float32/],
    ['an infinite number', { ...good, numeric: [-Infinity, 0] }, /"x0".*-Infinity/],
    ['a number beyond float32', { ...good, numeric: [1e39, 0] }, /"x0".*1e\+39/],
    ['an index out of range', { ...good, categories: [5] }, /"c0".*5 is not a whole number from 0 to 4/],
    ['a fractional index', { ...good, categories: [0.5] }, /0\.5/],
    ['a missing label', { ...good, label: NaN }, /"y".*NaN is not a class from 0 to 2/],
    ['a class that is none', { ...good, label: 3 }, /3 is not a class from 0 to 2/],
  ])('refuse %s, naming column, row and rule', async (_, bad, text) => {
    await using folder = await temporaryFolder()
    const writing = writeRows(folder.path, 'train', PROBLEM, [good, bad])
    await expect(writing).rejects.toMatchObject({
      code: 'MR_SHARD_VALUE',
      message: expect.stringMatching(text) as string,
    })
  })

  test('refuse a column that is not there, and say which are', async () => {
    await using folder = await temporaryFolder()
    const layout = { numeric: ['age'], categories: [], label: { name: 'y', type: 'float32' as const } }
    const writer = new ShardWriter(folder.path, 'train', layout)
    const schema = [
      { name: 'y', type: 'number' as const },
      { name: 'name', type: 'text' as const },
    ]
    const batch = { schema, rows: 1, columns: [Float64Array.of(1), ['x']] }
    await expect(writer.append(batch)).rejects.toThrow('no column "age" to pack; there are "y", "name"')
  })

  test('are checked against what the manifest says of them', async () => {
    await using folder = await temporaryFolder()
    const set = await writeRows(folder.path, 'train', PROBLEM, rows)
    const [shard] = set.shards
    const corrupt = expect.objectContaining({ code: 'MR_SHARD_CORRUPT' }) as Error
    expect(() => new ShardReader({ ...set, numeric: 3 })).toThrow(corrupt)
    expect(() => new ShardReader({ ...set, label: 'float32' })).toThrow(corrupt)
    expect(() => new ShardReader({ ...set, shards: [{ ...shard, rows: 22, label: shard?.label ?? '' }] })).toThrow(
      corrupt,
    )
  })
})
