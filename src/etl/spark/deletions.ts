/** Rows that a scan leaves out, as a file of their positions that the cluster reads: the bits are in this process alone. */
import { join } from 'node:path'
import { sha256Json } from '../../core/json.js'
import type { Source } from '../relation.js'
import { textLiteral } from '../sql/duckdb.js'
import { POSITION } from '../sql/spark-scan.js'
import type { Cluster } from './cluster.js'

/**
 * Stores what these files of a source lack, once for each digest and place.
 * @param before the position of each file's first row
 * @returns the digest of all of it together, which a scan made ready has for each of its vectors; undefined where no row is left out
 */
export async function storeDeletions(
  cluster: Cluster,
  { deleted = {} }: Source,
  paths: readonly string[],
  before: readonly number[],
  signal?: AbortSignal,
): Promise<string | undefined> {
  const lacking = paths.flatMap((path, i) => {
    const rows = deleted[path]
    return rows === undefined ? [] : [{ ...rows, before: before[i] ?? 0 }]
  })
  if (lacking.length === 0) return undefined
  const digests = new Set(lacking.map(({ digest }) => digest))
  const [one = ''] = digests
  // of a scan that was made ready before
  if (digests.size === 1 && cluster.deletions.has(one)) return one
  const all = sha256Json(lacking.map(({ digest, before: first }) => [digest, first])).slice('sha256:'.length)
  let stored = cluster.deletions.get(all)
  if (stored === undefined) {
    const positions = lacking.map(({ bits, before: first }) => {
      const constant = `CAST(from_base64(${textLiteral(Buffer.from(bits).toString('base64'))}) AS BIT)`
      return `SELECT i + ${first} AS ${POSITION} FROM range(${bits.length * 8}) AS r(i)
WHERE get_bit(${constant}, CAST(i AS INTEGER)) = 1`
    })
    const sql = `COPY (${positions.join('\nUNION ALL\n')}) TO ${textLiteral(deletionsAt(cluster, all))} (FORMAT parquet)`
    stored = cluster.embedded.use(async (connection) => void (await connection.run(sql)), signal)
    cluster.deletions.set(all, stored)
    stored.catch(() => cluster.deletions.delete(all))
  }
  await stored
  return all
}

/** The file of the positions that `storeDeletions` gave this digest for. */
export const deletionsAt = ({ folder }: Cluster, digest: string): string => join(folder, `deleted-${digest}.parquet`)
