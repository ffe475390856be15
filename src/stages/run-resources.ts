/** What stages need from outside their inputs; made once a run and handed to each stage's constructor. */
import type { ArtifactRef, ArtifactStore } from '../core/artifacts.js'
import { canonicalJson } from '../core/json.js'
import type { Memo } from '../core/memo.js'
import type { Engine } from '../etl/engine.js'
import type { ModelRegistry } from '../registry/registry.js'

export interface RunResources {
  /** The engine of `data.engine`, opened at the first call and shared by the run. */
  engine(): Promise<Engine>
  /**
   * The engine inside this process; the same as `engine` where there is no other. For rows that this process takes in
   * (shards, scores) and for text files: they do not go through a cluster.
   */
  embedded(): Promise<Engine>
  registry(): Promise<ModelRegistry>
  /** What earlier runs computed of files that are still there. */
  readonly memo: Memo
  /** A path of the pipeline file, made absolute from the file's folder. */
  resolve(path: string): string
  /** Folder of the journal, the artifacts and what else is kept between runs. */
  readonly home: string
  readonly threads: number
  readonly runId: string
  /** When the run began, in milliseconds since 1970; a resumed run has its first beginning. */
  readonly started: number
  /** Digest of the configuration as it is recorded. */
  readonly configDigest: string
  /** Takes what came from the environment out of texts that are stored or shown. */
  readonly hide: (text: string) => string
  /** Versions of what takes part: millrace, duckdb, onnxruntime, and spark where that is the engine. */
  readonly versions: Readonly<Record<string, string>>
}

export const JSON_TYPE = 'application/json'
export const TABLE_TYPE = 'application/vnd.millrace.table+json'
export const PARQUET_TYPE = 'application/vnd.apache.parquet'
export const ONNX_TYPE = 'application/onnx'

/** Stores a document in canonical form, so equal documents have equal digests. */
export async function putJson(store: ArtifactStore, document: unknown, mediaType = JSON_TYPE): Promise<ArtifactRef> {
  return store.put(canonicalJson(document), mediaType)
}

/** Reads back what `putJson` stored as a `T`; the digest in the reference vouches for its shape. */
export async function getJson<T>(store: ArtifactStore, ref: ArtifactRef | undefined): Promise<T> {
  if (ref === undefined) throw new Error('an input artifact is missing: the stage graph and the stage disagree')
  return JSON.parse(new TextDecoder().decode(await store.get(ref))) as T
}
