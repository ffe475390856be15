/**
 * The order in which an epoch visits a split's rows, as a pure function of (seed, epoch, shard sizes, geometry).
 *
 * The contract: shards are cut into blocks of `blockRows` rows (the last of a shard may be shorter; none spans two).
 * Blocks are shuffled by Rng(seed, 1, epoch); runs of `groupBlocks` shuffled blocks are groups; the rows of a group are
 * shuffled by Rng(seed, 2, epoch, group). The epoch is the groups in turn. Step s takes rows [s·B, (s+1)·B) of it, over
 * a group's end if need be; the last step may have fewer, so every row is visited exactly once. The position
 * {seed, epoch, step} is all there is to resume, at any step, and only one or two groups are ever in memory. With the
 * global batch fixed, a worker of rank r of R takes its slice of each step, so world size does not change the order.
 */
import { Rng } from '../core/rng.js'

export const BLOCK_ROWS = 65_536

export interface OrderGeometry {
  readonly blockRows: number
  readonly groupBlocks: number
}

/** Where training stands: `step` steps of `epoch` (counted from 1) are done. */
export interface OrderPosition {
  readonly seed: number
  readonly epoch: number
  readonly step: number
}

export interface Block {
  readonly shard: number
  readonly start: number
  readonly rows: number
}

export interface Group {
  readonly index: number
  readonly blocks: readonly Block[]
  readonly rows: number
  /** Rows of the epoch before this group. */
  readonly offset: number
}

/** Four blocks, or as few as keep a group under 256 MiB; rows of `rowBytes` bytes. */
export function orderGeometry(rowBytes: number): OrderGeometry {
  const fit = Math.floor(2 ** 28 / (BLOCK_ROWS * Math.max(rowBytes, 1)))
  return { blockRows: BLOCK_ROWS, groupBlocks: Math.max(1, Math.min(4, fit)) }
}

export class EpochOrder {
  readonly rows: number
  readonly groups: readonly Group[]

  /** @param shards the rows of each shard */
  constructor(
    shards: readonly number[],
    private readonly seed: number,
    private readonly epoch: number,
    { blockRows, groupBlocks }: OrderGeometry,
  ) {
    const blocks: Block[] = []
    for (const [shard, rows] of shards.entries())
      for (let start = 0; start < rows; start += blockRows)
        blocks.push({ shard, start, rows: Math.min(blockRows, rows - start) })
    const shuffled = Array.from(new Rng(seed, 1, epoch).permutation(blocks.length), (index) => blocks[index] as Block)
    const groups: Group[] = []
    let offset = 0
    for (let first = 0; first < shuffled.length; first += groupBlocks) {
      const members = shuffled.slice(first, first + groupBlocks)
      const rows = members.reduce((sum, block) => sum + block.rows, 0)
      groups.push({ index: groups.length, blocks: members, rows, offset })
      offset += rows
    }
    this.groups = groups
    this.rows = offset
  }

  /** For each place in the group, which of the group's rows (its blocks laid end to end) stands there. */
  permutation(group: Group): Uint32Array {
    return new Rng(this.seed, 2, this.epoch, group.index).permutation(group.rows)
  }

  /** Steps of an epoch at a batch of `batch` rows, the last perhaps not full. */
  steps(batch: number): number {
    return Math.ceil(this.rows / batch)
  }

  /** The group that holds the epoch's row `row`. */
  groupAt(row: number): Group {
    const group = this.groups.find(({ offset, rows }) => row >= offset && row < offset + rows)
    if (!group) throw new RangeError(`row ${row} of an epoch of ${this.rows}`)
    return group
  }
}
