/**
 * Rows that a scan leaves out, as a file of bits that the cluster reads, as those of the plan are in this process alone:
 * a row for each chunk of positions that lacks some, with its words. All tasks get it whole, which positions one by one
 * would be too many for.
 */
import { join } from 'node:path'
import { sha256Json } from '../../core/json.js'
import type { Source } from '../relation.js'
import { textLiteral } from '../sql/duckdb.js'
import { CHUNK, DELETED, WORD } from '../sql/spark-scan.js'
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
      return `SELECT i + ${first} AS p FROM range(${bits.length * 8}) AS r(i)
WHERE get_bit(${constant}, CAST(i AS INTEGER)) = 1`
    })
    const words = CHUNK / WORD
    const sql = `COPY (
  WITH lacking AS (SELECT p // ${WORD} AS w, bit_or(1::BIGINT << (p % ${WORD})) AS bits FROM (${positions.join('\nUNION ALL\n')}) GROUP BY 1),
  dense AS (SELECT chunk, chunk * ${words} + i AS w FROM (SELECT DISTINCT w // ${words} AS chunk FROM lacking), range(${words}) AS r(i))
  SELECT chunk AS ${DELETED.chunk}, list(coalesce(bits, 0) ORDER BY w) AS ${DELETED.words} FROM dense LEFT JOIN lacking USING (w) GROUP BY 1 ORDER BY 1
) TO ${textLiteral(deletionsAt(cluster, all))} (FORMAT parquet)`
    stored = cluster.embedded.use(async (connection) => void (await connection.run(sql)), signal)
    cluster.deletions.set(all, stored)
    stored.catch(() => cluster.deletions.delete(all))
  }
  await stored
  return all
}

/** The file that `storeDeletions` gave this digest for. */
export const deletionsAt = ({ folder }: Cluster, digest: string): string => join(folder, `deleted-${digest}.parquet`)
