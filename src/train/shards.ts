/** Training shards: what `pack` writes and trainers read. */
import type { ArtifactRef } from '../core/artifacts.js'

/** One shard of one split: row-major files in .npy format. */
export interface Shard {
  readonly rows: number
  /** [rows, numeric] float32; absent if there are no numeric features. */
  readonly numeric?: ArtifactRef
  /** [rows, categories] int32 indices, each within its own column; absent if there are none. */
  readonly categories?: ArtifactRef
  /** [rows] int32 class index, or float32 target. */
  readonly label: ArtifactRef
}

export interface ShardManifest {
  readonly format: 1
  readonly numeric: readonly string[]
  readonly categories: readonly { readonly name: string; readonly size: number }[]
  readonly label: 'int32' | 'float32'
  readonly splits: Readonly<Record<'train' | 'validation' | 'test', readonly Shard[]>>
}

/** Shards with readable paths, for a trainer. */
export interface ShardSet {
  readonly rows: number
  readonly numeric: number
  readonly categories: number
  readonly label: 'int32' | 'float32'
  readonly shards: readonly {
    readonly rows: number
    readonly numeric?: string
    readonly categories?: string
    readonly label: string
  }[]
}
