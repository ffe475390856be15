/** The epoch's order: each row once, the same whatever came before, exactly resumable. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { temporaryFolder, writeRows } from '../../test/conformance/training-data.js'
import { EpochReader } from './epoch-reader.js'
import { BLOCK_ROWS, EpochOrder, orderGeometry } from './order.js'
import { allocateRows, ShardReader } from './shard-reader.js'

const GEOMETRY = { blockRows: 8, groupBlocks: 2 }

/** The row numbers (over all shards, laid end to end) in the epoch's order. */
function visited(shards: readonly number[], order: EpochOrder): number[] {
  const starts = shards.map((_, i) => shards.slice(0, i).reduce((sum, rows) => sum + rows, 0))
  return order.groups.flatMap((group) => {
    const rows = group.blocks.flatMap(({ shard, start, rows: count }) =>
      Array.from({ length: count }, (_, i) => (starts[shard] as number) + start + i),
    )
    return Array.from(order.permutation(group), (at) => rows[at] as number)
  })
}

describe('epoch order', () => {
  test('visits each row exactly once, for any shards, geometry, seed and epoch', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer(),
        fc.nat(),
        (shards, blockRows, groupBlocks, seed, epoch) => {
          const order = new EpochOrder(shards, seed, epoch, { blockRows, groupBlocks })
          const rows = visited(shards, order)
          expect([...rows].sort((a, b) => a - b)).toEqual(Array.from({ length: rows.length }, (_, i) => i))
          expect(rows).toHaveLength(shards.reduce((sum, count) => sum + count, 0))
          for (const { blocks } of order.groups) {
            expect(blocks.length).toBeLessThanOrEqual(groupBlocks)
            for (const { shard, start, rows: count } of blocks) {
              expect(count).toBeLessThanOrEqual(blockRows)
              expect(start + count).toBeLessThanOrEqual(shards[shard] as number)
            }
          }
        },
      ),
    )
  })

  test('is a pure function of seed and epoch, and another for another of either', () => {
    const shards = [20, 13]
    const order = (seed: number, epoch: number): string =>
      visited(shards, new EpochOrder(shards, seed, epoch, GEOMETRY)).join()
    expect(order(1, 5)).toBe(order(1, 5))
    expect(new Set([order(1, 5), order(1, 6), order(2, 5), order(5, 1)]).size).toBe(4)
  })

  test('does not change unnoticed: checkpoints and the other trainers depend on it', () => {
    const order = new EpochOrder([20, 13], 1, 1, GEOMETRY)
    expect(order.groups.map(({ blocks }) => blocks.map(({ shard, start }) => `${shard}:${start}`).join()))
      .toMatchInlineSnapshot(`
      [
        "1:8,0:0",
        "0:8,0:16",
        "1:0",
      ]
    `)
    expect(visited([20, 13], order).slice(0, 12)).toMatchInlineSnapshot(`
      [
        3,
        31,
        6,
        28,
        1,
        7,
        29,
        2,
        32,
        30,
        5,
        0,
      ]
    `)
  })

  test('keeps groups of wide rows small', () => {
    expect(orderGeometry(120)).toEqual({ blockRows: BLOCK_ROWS, groupBlocks: 4 })
    expect(orderGeometry(2000)).toEqual({ blockRows: BLOCK_ROWS, groupBlocks: 2 })
    expect(orderGeometry(100_000)).toEqual({ blockRows: BLOCK_ROWS, groupBlocks: 1 })
  })

  test('is read the same from any position, over the ends of groups, and in any pieces', async () => {
    await using folder = await temporaryFolder()
    const problem = { numeric: 1, categories: [100] }
    const rows = Array.from({ length: 53 }, (_, i) => ({ numeric: [i], categories: [i], label: i }))
    const set = await writeRows(folder.path, 'train', problem, rows, 20)
    using reader = new ShardReader(set)
    const shards = set.shards.map((shard) => shard.rows)
    for (const epoch of [1, 2, 3]) {
      const order = new EpochOrder(shards, 9, epoch, GEOMETRY)
      const expected = visited(shards, order)
      for (const batch of [1, 7, 16, 53]) {
        const epochReader = new EpochReader(reader, new EpochOrder(shards, 9, 1, GEOMETRY))
        epochReader.rewind(order)
        const found: number[] = []
        for (let step = 0; step < order.steps(batch); step++) {
          const into = allocateRows(set, batch + 1)
          const count = Math.min(batch, 53 - step * batch)
          epochReader.take(step * batch, count, into, 1)
          const labels = [...into.label.subarray(1, count + 1)]
          expect([...into.numeric.subarray(1, count + 1)]).toEqual(labels)
          expect([...into.categories.subarray(1, count + 1)]).toEqual(labels)
          found.push(...labels)
        }
        expect(found).toEqual(expected)
      }
      // a reader made afresh in the middle of an epoch
      const resumed = new EpochReader(reader, order)
      const into = allocateRows(set, 53)
      resumed.take(31, 22, into)
      expect([...into.label.subarray(0, 22)]).toEqual(expected.slice(31))
    }
  })
})
