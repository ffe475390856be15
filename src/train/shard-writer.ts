/** Writes one split's features as training shards, a batch at a time; never more than a batch in memory. */
import { join } from 'node:path'
import { MillraceError } from '../core/errors.js'
import { fileError } from '../core/files.js'
import type { RecordBatch } from '../core/table.js'
import { type NpyData, type NpyType, NpyWriter } from './npy.js'
import type { ShardSet } from './shards.js'

export const SHARD_ROWS = 1_048_576

export interface ShardLayout {
  /** Names of the columns, in the order in which shards hold them. */
  readonly numeric: readonly string[]
  readonly categories: readonly { readonly name: string; readonly size: number }[]
  /** int32: class index 0 … classes-1; float32: target. */
  readonly label: { readonly name: string; readonly type: 'int32' | 'float32'; readonly classes?: number }
}

interface OpenShard {
  readonly numeric?: NpyWriter
  readonly categories?: NpyWriter
  readonly label: NpyWriter
  readonly paths: { readonly numeric?: string; readonly categories?: string; readonly label: string }
  rows: number
}

/**
 * Rows keep their order; every shard but the last has `shardRows` rows. Values are refused (MR_SHARD_VALUE, with the
 * column and the row) where training would silently go wrong: missing or infinite numbers, also after rounding to
 * float32, and indices that are not whole or outside their column's size.
 */
export class ShardWriter {
  readonly #done: ShardSet['shards'][number][] = []
  #open: OpenShard | undefined
  #rows = 0

  /** Files are made in `folder` (which exists) and named `<prefix>-<shard>.<part>.npy`. */
  constructor(
    private readonly folder: string,
    private readonly prefix: string,
    private readonly layout: ShardLayout,
    private readonly shardRows: number = SHARD_ROWS,
  ) {}

  /** Takes the layout's columns out of the batch, by name; others are ignored. After a failure nothing is left open. */
  async append(batch: RecordBatch): Promise<void> {
    try {
      await this.#append(batch)
    } catch (error) {
      await this.abandon()
      throw fileError(error, 'write', join(this.folder, `${this.prefix}-*.npy`))
    }
  }

  async #append(batch: RecordBatch): Promise<void> {
    const { numeric, categories, label } = this.layout
    const numbers = numeric.map((name) => column(batch, name))
    const indices = categories.map(({ name }) => column(batch, name))
    const labels = column(batch, label.name)
    for (let start = 0; start < batch.rows;) {
      const shard = (this.#open ??= await this.#begin())
      const rows = Math.min(batch.rows - start, this.shardRows - shard.rows)
      await shard.numeric?.append(this.#interleave(numeric, numbers, start, rows))
      await shard.categories?.append(this.#indices(indices, start, rows))
      await shard.label.append(this.#labels(labels, start, rows))
      shard.rows += rows
      this.#rows += rows
      start += rows
      if (shard.rows === this.shardRows) await this.#finish()
    }
  }

  /** Closes the last shard. A split without rows has no shards. */
  async close(): Promise<ShardSet> {
    await this.#finish()
    return {
      rows: this.#rows,
      numeric: this.layout.numeric.length,
      categories: this.layout.categories.length,
      label: this.layout.label.type,
      shards: this.#done,
    }
  }

  /** After a failure: lets go of the files; what is on disk is not readable as a shard. */
  async abandon(): Promise<void> {
    const shard = this.#open
    this.#open = undefined
    for (const writer of [shard?.numeric, shard?.categories, shard?.label]) await writer?.abandon()
  }

  async #begin(): Promise<OpenShard> {
    const path = (part: string): string =>
      join(this.folder, `${this.prefix}-${String(this.#done.length).padStart(5, '0')}.${part}.npy`)
    const { numeric, categories, label } = this.layout
    const paths = {
      ...(numeric.length > 0 ? { numeric: path('numeric') } : {}),
      ...(categories.length > 0 ? { categories: path('categories') } : {}),
      label: path('label'),
    }
    const opened: NpyWriter[] = []
    const create = async (target: string, type: NpyType, columns?: number): Promise<NpyWriter> => {
      const writer = await NpyWriter.create(target, type, columns)
      opened.push(writer)
      return writer
    }
    try {
      return {
        ...(paths.numeric === undefined ? {} : { numeric: await create(paths.numeric, 'float32', numeric.length) }),
        ...(paths.categories === undefined
          ? {}
          : { categories: await create(paths.categories, 'int32', categories.length) }),
        label: await create(paths.label, label.type),
        paths,
        rows: 0,
      }
    } catch (error) {
      for (const writer of opened) await writer.abandon()
      throw error
    }
  }

  async #finish(): Promise<void> {
    const shard = this.#open
    if (!shard) return
    this.#open = undefined
    for (const writer of [shard.numeric, shard.categories, shard.label]) await writer?.close()
    this.#done.push({ rows: shard.rows, ...shard.paths })
  }

  #interleave(names: readonly string[], columns: readonly Float64Array[], start: number, rows: number): Float32Array {
    const width = columns.length
    const out = new Float32Array(rows * width)
    for (let j = 0; j < width; j++) {
      const values = columns[j] as Float64Array
      for (let i = 0, at = j; i < rows; i++, at += width) {
        out[at] = values[start + i] as number
        if (!Number.isFinite(out[at])) throw this.#refused(names[j] ?? '', values[start + i], i, 'a finite float32')
      }
    }
    return out
  }

  #indices(columns: readonly Float64Array[], start: number, rows: number): Int32Array {
    const width = columns.length
    const out = new Int32Array(rows * width)
    for (let j = 0; j < width; j++) {
      const { name, size } = this.layout.categories[j] as ShardLayout['categories'][number]
      const values = columns[j] as Float64Array
      for (let i = 0, at = j; i < rows; i++, at += width) {
        const value = values[start + i] as number
        if (!(value >= 0 && value < size && Number.isInteger(value)))
          throw this.#refused(name, value, i, `a whole number from 0 to ${size - 1}`)
        out[at] = value
      }
    }
    return out
  }

  #labels(values: Float64Array, start: number, rows: number): NpyData {
    const { name, type, classes = 2 ** 31 } = this.layout.label
    const out = type === 'int32' ? new Int32Array(rows) : new Float32Array(rows)
    for (let i = 0; i < rows; i++) {
      const value = values[start + i] as number
      out[i] = value
      if (type === 'float32' ? Number.isFinite(out[i]) : value >= 0 && value < classes && Number.isInteger(value))
        continue
      throw this.#refused(name, value, i, type === 'float32' ? 'a finite float32' : `a class from 0 to ${classes - 1}`)
    }
    return out
  }

  #refused(name: string, value: number | undefined, row: number, rule: string): MillraceError {
    return new MillraceError(
      'MR_SHARD_VALUE',
      `column ${JSON.stringify(name)}, row ${this.#rows + row} of split ${this.prefix}: ${String(value)} is not ${rule}`,
      { hint: 'impute, clip or drop such values in a transform or a validation rule before packing' },
    )
  }
}

function column(batch: RecordBatch, name: string): Float64Array {
  const index = batch.schema.findIndex((field) => field.name === name)
  const values = batch.columns[index]
  if (values instanceof Float64Array) return values
  const known = batch.schema.map((field) => JSON.stringify(field.name)).join(', ')
  throw new MillraceError(
    'MR_SHARD_VALUE',
    index < 0
      ? `no column ${JSON.stringify(name)} to pack; there are ${known}`
      : `column ${JSON.stringify(name)} is ${batch.schema[index]?.type ?? ''}; only numbers can be packed`,
  )
}
