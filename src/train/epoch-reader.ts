/** Reads an epoch's rows in its order, holding one group of blocks in memory. */
import type { EpochOrder, Group } from './order.js'
import { allocateRows, type Rows, type ShardReader } from './shard-reader.js'

export class EpochReader {
  readonly #buffer: Rows
  #group: Group | undefined
  #permutation: Uint32Array = new Uint32Array(0)

  /** Allocates the largest group's rows; make one a run and `rewind` it for each epoch. */
  constructor(
    private readonly reader: ShardReader,
    private order: EpochOrder,
  ) {
    // A later epoch may group larger blocks together, but never more than this.
    const largest = Math.max(0, ...order.groups.flatMap(({ blocks }) => blocks.map(({ rows }) => rows)))
    const most = Math.max(0, ...order.groups.map(({ blocks }) => blocks.length))
    this.#buffer = allocateRows(reader.set, Math.min(largest * most, reader.set.rows))
  }

  /** Goes on with another epoch's order of the same shards. */
  rewind(order: EpochOrder): void {
    this.order = order
    this.#group = undefined
  }

  /** Copies the epoch's rows [row, row + rows) into `into`, from its row `at` on. */
  take(row: number, rows: number, into: Rows, at = 0): void {
    const { numeric: width, categories } = this.reader.set
    for (let done = 0; done < rows;) {
      const group = this.#load(row + done)
      const first = row + done - group.offset
      const count = Math.min(rows - done, group.rows - first)
      const order = this.#permutation.subarray(first, first + count)
      gather(this.#buffer.numeric, width, order, into.numeric, at + done)
      gather(this.#buffer.categories, categories, order, into.categories, at + done)
      gather(this.#buffer.label, 1, order, into.label, at + done)
      done += count
    }
  }

  #load(row: number): Group {
    const current = this.#group
    if (current && row >= current.offset && row < current.offset + current.rows) return current
    const group = this.order.groupAt(row)
    let at = 0
    for (const { shard, start, rows } of group.blocks) {
      this.reader.read(shard, start, rows, this.#buffer, at)
      at += rows
    }
    this.#permutation = this.order.permutation(group)
    this.#group = group
    return group
  }
}

function gather(
  from: Float32Array | Int32Array,
  width: number,
  order: Uint32Array,
  into: Float32Array | Int32Array,
  at: number,
): void {
  let target = at * width
  for (let i = 0; i < order.length; i++) {
    let source = (order[i] as number) * width
    for (let j = 0; j < width; j++) into[target++] = from[source++] as number
  }
}
