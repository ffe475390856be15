/** Content-addressed artifacts: a stage's outputs are named by the digest of their bytes. */

export interface ArtifactRef {
  readonly digest: `sha256:${string}`
  readonly mediaType: string
  /** Bytes. */
  readonly size: number
}

/**
 * Blobs by digest. Writes are atomic and durable: a blob is either whole or absent, and `put` returns after it is
 * synced. Reads verify the digest and throw MR_ARTIFACT_MISSING or MR_ARTIFACT_CORRUPT.
 */
export interface ArtifactStore {
  put(bytes: Uint8Array | string, mediaType: string): Promise<ArtifactRef>
  /** Takes the file at `path` into the store: moved where it can be (it must be in `scratch()`), else copied. */
  putFile(path: string, mediaType: string, options?: { readonly move?: boolean }): Promise<ArtifactRef>
  /** All its bytes, verified. */
  get(ref: ArtifactRef): Promise<Uint8Array>
  /** A readable path to it, verified once a process; for engines that read files themselves. Never write to it. */
  path(ref: ArtifactRef): Promise<string>
  /** True if it is there; one that was written to since it was stored counts only if it has its digest. */
  has(ref: ArtifactRef): Promise<boolean>
  /** A fresh folder on the store's own file system, for work in progress; removed by `close` or the next start. */
  scratch(): Promise<string>
  close(): Promise<void>
}
