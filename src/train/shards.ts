/** Training shards: what `pack` writes and trainers read. */
import type { ArtifactRef, ArtifactStore } from '../core/artifacts.js'

export const NPY = 'application/x-npy'

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

/** Takes written shards into the store (their files are moved), for the manifest. */
export async function storeShards(set: ShardSet, store: ArtifactStore): Promise<readonly Shard[]> {
  const shards: Shard[] = []
  const put = (path: string): Promise<ArtifactRef> => store.putFile(path, NPY, { move: true })
  for (const { rows, numeric, categories, label } of set.shards)
    shards.push({
      rows,
      ...(numeric === undefined ? {} : { numeric: await put(numeric) }),
      ...(categories === undefined ? {} : { categories: await put(categories) }),
      label: await put(label),
    })
  return shards
}

/** One split of a manifest, with paths; the store verifies the digests. */
export async function openShards(
  manifest: ShardManifest,
  split: keyof ShardManifest['splits'],
  store: ArtifactStore,
): Promise<ShardSet> {
  const shards: ShardSet['shards'][number][] = []
  for (const { rows, numeric, categories, label } of manifest.splits[split])
    shards.push({
      rows,
      ...(numeric === undefined ? {} : { numeric: await store.path(numeric) }),
      ...(categories === undefined ? {} : { categories: await store.path(categories) }),
      label: await store.path(label),
    })
  return {
    rows: shards.reduce((sum, { rows }) => sum + rows, 0),
    numeric: manifest.numeric.length,
    categories: manifest.categories.length,
    label: manifest.label,
    shards,
  }
}
