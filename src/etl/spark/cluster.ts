/** What the parts of the Spark engine share: the session on the cluster, and the engine inside this process for files. */
import type { Memo } from '../../core/memo.js'
import type { Session } from '../duckdb/session.js'
import type { SparkSession } from './connect/session.js'
import type { StoredColumns } from './footers.js'

export interface Cluster {
  readonly spark: SparkSession
  /** Reads what only one reader can read alike (text, odd Parquet), and the footers of Parquet files. */
  readonly embedded: Session
  /** A folder of this engine's own that the cluster sees under the same path; removed when the engine closes. */
  readonly folder: string
  readonly memo: Memo | undefined
  /** By path, what the Parquet files that were looked at say of their columns. */
  readonly stored: Map<string, StoredColumns>
  /** Scans of other files as Parquet that the cluster reads, by what they were and the state of their files. */
  readonly conversions: Map<string, Promise<readonly string[]>>
  /** By digest, the storing of positions that scans leave out. */
  readonly deletions: Map<string, Promise<void>>
  /** For names of folders. */
  next(): number
}
