/** Shards through the artifact store: stored with digests, opened with paths, an altered file found. */
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeRows, temporaryFolder, writeRows } from '../../test/conformance/training-data.js'
import { openArtifactStore } from '../core/artifact-store.js'
import { ShardReader } from './shard-reader.js'
import { openShards, type ShardManifest, storeShards } from './shards.js'

test('go into the store and come back; two packings have the same digests; a flipped bit is found', async () => {
  await using folder = await temporaryFolder()
  const root = join(folder.path, 'artifacts')
  const store = await openArtifactStore(root)
  const problem = { numeric: 2, categories: [4], classes: 2 }
  const rows = makeRows(problem, 25, 1, () => 1)
  const pack = async (): Promise<ShardManifest> => ({
    format: 1,
    numeric: ['a', 'b'],
    categories: [{ name: 'c', size: 4 }],
    label: 'int32',
    splits: {
      train: await storeShards(await writeRows(await store.scratch(), 'train', problem, rows, 10), store),
      validation: await storeShards(await writeRows(await store.scratch(), 'validation', problem, []), store),
      test: [],
    },
  })
  const manifest = await pack()
  expect(await pack()).toEqual(manifest)
  const set = await openShards(manifest, 'train', store)
  expect(set).toMatchObject({ rows: 25, numeric: 2, categories: 1, label: 'int32' })
  const found: number[] = []
  using reader = new ShardReader(set)
  for (const { rows: count, values } of reader.chunks(7)) found.push(...values.numeric.subarray(0, count * 2))
  expect(found).toEqual(rows.flatMap(({ numeric }) => numeric))
  expect(await openShards(manifest, 'validation', store)).toMatchObject({ rows: 0, shards: [] })
  await store.close()

  const path = set.shards[1]?.numeric ?? ''
  const bytes = await readFile(path)
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
  await chmod(path, 0o644)
  await writeFile(path, bytes)
  const later = await openArtifactStore(root)
  await expect(openShards(manifest, 'train', later)).rejects.toMatchObject({ code: 'MR_ARTIFACT_CORRUPT' })
  await later.close()
})
