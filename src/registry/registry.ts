/** Models, versions, aliases and where each version came from. */
import type { ArtifactRef } from '../core/artifacts.js'

export interface Lineage {
  readonly runId: string
  /** Digest of the source table's manifest, of the resolved configuration. */
  readonly data: string
  readonly config: string
  readonly evaluation?: ArtifactRef
}

export interface ModelVersion {
  readonly name: string
  /** 1, 2, 3 … within the name. */
  readonly version: number
  readonly createdAt: Date
  readonly model: ArtifactRef
  readonly lineage: Lineage
  readonly metrics: Readonly<Record<string, number>>
  readonly tags: Readonly<Record<string, string>>
  readonly aliases: readonly string[]
}

export interface AliasChange {
  readonly alias: string
  readonly from: number | undefined
  readonly to: number | undefined
  readonly at: Date
  readonly reason: string
}

/** An MLflow-protocol store implements the same. All methods throw MR_MODEL_* for unknown names, versions, aliases. */
export interface ModelRegistry {
  models(): Promise<readonly string[]>
  versions(name: string): Promise<readonly ModelVersion[]>
  version(name: string, version: number): Promise<ModelVersion>
  /** Registering the same run and model again gives the version that is there (resume is idempotent). */
  register(entry: {
    readonly name: string
    readonly model: ArtifactRef
    readonly lineage: Lineage
    readonly metrics: Readonly<Record<string, number>>
    readonly tags?: Readonly<Record<string, string>>
  }): Promise<ModelVersion>
  setAlias(name: string, alias: string, version: number, reason: string): Promise<void>
  /**
   * Moves `alias` (default champion) to where it pointed before its last change; throws where it has no past. Again, it
   * goes one change further back: a rollback is never itself undone. A later setAlias starts from where it then points.
   */
  rollback(name: string, alias?: string): Promise<ModelVersion>
  history(name: string): Promise<readonly AliasChange[]>
  /**
   * `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/NAME/latest` (the newest) or `models:/NAME` (champion, else
   * the newest).
   */
  resolve(uri: string): Promise<ModelVersion>
  /**
   * A number that changes whenever what `resolve` could answer may have changed, by this process or another. Cheap
   * (microseconds): made to be polled several times a second.
   */
  revision(): number
  close(): Promise<void>
}
