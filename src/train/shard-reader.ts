/** Reads ranges of rows of a split's shards. Reads block: for worker threads. */
import { MillraceError } from '../core/errors.js'
import { NpyFile } from './npy.js'
import type { ShardSet } from './shards.js'

/** Rows in memory, row-major. */
export interface Rows {
  readonly numeric: Float32Array
  readonly categories: Int32Array
  readonly label: Int32Array | Float32Array
}

export function allocateRows(set: ShardSet, rows: number): Rows {
  return {
    numeric: new Float32Array(rows * set.numeric),
    categories: new Int32Array(rows * set.categories),
    label: set.label === 'int32' ? new Int32Array(rows) : new Float32Array(rows),
  }
}

interface OpenFiles {
  readonly numeric?: NpyFile
  readonly categories?: NpyFile
  readonly label: NpyFile
}

export class ShardReader implements Disposable {
  readonly #shards: OpenFiles[] = []

  /** Opens every file and checks that shapes and types are the set's; MR_SHARD_CORRUPT if not. */
  constructor(readonly set: ShardSet) {
    try {
      for (const shard of set.shards) this.#shards.push(openShard(set, shard))
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** Copies rows [start, start + rows) of one shard into `into`, from its row `at` on. */
  read(shard: number, start: number, rows: number, into: Rows, at = 0): void {
    const files = this.#shards[shard]
    if (!files) throw new RangeError(`shard ${shard} of ${this.#shards.length}`)
    const { numeric, categories } = this.set
    files.numeric?.read(start, rows, into.numeric.subarray(at * numeric, (at + rows) * numeric))
    files.categories?.read(start, rows, into.categories.subarray(at * categories, (at + rows) * categories))
    files.label.read(start, rows, into.label.subarray(at, at + rows))
  }

  /** All rows in shard order, at most `chunk` at a time; the rows are overwritten by the next step. */
  *chunks(chunk: number): Generator<{ readonly rows: number; readonly values: Rows }> {
    const values = allocateRows(this.set, Math.min(chunk, this.set.rows))
    for (const [index, shard] of this.set.shards.entries())
      for (let start = 0; start < shard.rows; start += chunk) {
        const rows = Math.min(chunk, shard.rows - start)
        this.read(index, start, rows, values)
        yield { rows, values }
      }
  }

  [Symbol.dispose](): void {
    for (const files of this.#shards.splice(0))
      for (const file of [files.numeric, files.categories, files.label]) file?.close()
  }
}

function openShard(set: ShardSet, shard: ShardSet['shards'][number]): OpenFiles {
  const opened: NpyFile[] = []
  const open = (path: string | undefined, what: string, type: string, columns: number | undefined): NpyFile => {
    if (path === undefined) throw new MillraceError('MR_SHARD_CORRUPT', `a shard has no ${what} file`)
    const file = NpyFile.open(path)
    opened.push(file)
    if (file.rows !== shard.rows || file.type !== type || file.columns !== columns)
      throw new MillraceError(
        'MR_SHARD_CORRUPT',
        `${path} holds ${file.rows} x ${file.columns ?? 1} ${file.type} where ` +
          `${shard.rows} x ${columns ?? 1} ${type} is expected`,
        { hint: 'run the pack stage again' },
      )
    return file
  }
  try {
    return {
      ...(set.numeric > 0 ? { numeric: open(shard.numeric, 'numeric', 'float32', set.numeric) } : {}),
      ...(set.categories > 0 ? { categories: open(shard.categories, 'categories', 'int32', set.categories) } : {}),
      label: open(shard.label, 'label', set.label, undefined),
    }
  } catch (error) {
    for (const file of opened) file.close()
    throw error
  }
}
