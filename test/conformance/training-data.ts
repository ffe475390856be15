/** Small made-up data sets, written as shards, for tests of trainers. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Rng } from '../../src/core/rng.js'
import type { RecordBatch } from '../../src/core/table.js'
import { ShardWriter, type ShardLayout } from '../../src/train/shard-writer.js'
import type { ShardSet } from '../../src/train/shards.js'

export interface Problem {
  readonly numeric: number
  readonly categories: readonly number[]
  /** Undefined: regression. */
  readonly classes?: number
}

export interface Row {
  readonly numeric: readonly number[]
  readonly categories: readonly number[]
  readonly label: number
}

/** A folder that is removed with `await using`. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** `rows` rows with normal numbers and evenly spread categories; `label` makes the label from them. */
export function makeRows(
  problem: Problem,
  rows: number,
  seed: number,
  label: (numeric: readonly number[], categories: readonly number[], rng: Rng) => number,
): readonly Row[] {
  const rng = new Rng(seed)
  return Array.from({ length: rows }, () => {
    const numeric = Array.from({ length: problem.numeric }, () => Math.fround(rng.normal()))
    const categories = problem.categories.map((size) => rng.below(Math.max(1, size - 1)))
    return { numeric, categories, label: label(numeric, categories, rng) }
  })
}

/** Writes rows as shards of `shardRows`. */
export async function writeRows(
  folder: string,
  prefix: string,
  problem: Problem,
  rows: readonly Row[],
  shardRows = 1_000_000,
): Promise<ShardSet> {
  const layout: ShardLayout = {
    numeric: Array.from({ length: problem.numeric }, (_, j) => `x${j}`),
    categories: problem.categories.map((size, j) => ({ name: `c${j}`, size })),
    label:
      problem.classes === undefined
        ? { name: 'y', type: 'float32' }
        : { name: 'y', type: 'int32', classes: problem.classes },
  }
  const writer = new ShardWriter(folder, prefix, layout, shardRows)
  const batch: RecordBatch = {
    schema: [
      ...layout.numeric.map((name) => ({ name, type: 'number' as const })),
      ...layout.categories.map(({ name }) => ({ name, type: 'integer' as const })),
      { name: 'y', type: 'number' },
    ],
    rows: rows.length,
    columns: [
      ...layout.numeric.map((_, j) => Float64Array.from(rows, (row) => row.numeric[j] as number)),
      ...layout.categories.map((_, j) => Float64Array.from(rows, (row) => row.categories[j] as number)),
      Float64Array.from(rows, (row) => row.label),
    ],
  }
  await writer.append(batch)
  return writer.close()
}
