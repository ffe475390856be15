/** What the names in a plan's SQL stand for: Parquet files with their columns' types and the positions of their rows. */
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import type { Schema } from '../../core/schema.js'
import { lacksRows, type Relation } from '../relation.js'
import { compile } from '../sql/compile.js'
import { identifier, textLiteral } from '../sql/spark.js'
import { DELETED, deletedName, positionOf, scanName, spark } from '../sql/spark-scan.js'
import type { Cluster } from './cluster.js'
import type { SparkQuery, SparkRead } from './connect/plan.js'
import { deletionsAt } from './deletions.js'
import { FILES_AT_ONCE } from './order.js'
import { type Scan, storedType } from './prepare.js'

/**
 * A prepared relation as a query. Its reads have names of its own: while Spark analyses a query they are views of the whole
 * session, and those of another query at the same time would be taken for them, or taken away.
 */
export function queryOf(cluster: Cluster, relation: Relation, sql = compile(relation, spark)): SparkQuery {
  const own = `_${cluster.next()}`
  const reads = Object.entries(readsOf(cluster, relation))
  const text = reads.reduce((done, [name]) => done.replaceAll(name, `${name}${own}`), sql)
  return cluster.spark.sql(text, {}, Object.fromEntries(reads.map(([name, read]) => [`${name}${own}`, read])))
}

/** What SQL made of prepared relations reads. */
export function readsOf(cluster: Cluster, ...relations: readonly Relation[]): Readonly<Record<string, SparkRead>> {
  const scans = relations.flatMap(scansOf)
  const reads = scans.flatMap((scan): (readonly [string, SparkRead])[] => [
    [scanName(scan), readOf(cluster, scan)],
    ...(lacksRows(scan.source) ? [[deletedName(scan), deletedOf(cluster, scan)] as const] : []),
  ])
  return Object.fromEntries(reads)
}

function deletedOf(cluster: Cluster, { source: { paths, deleted = {} } }: Scan): SparkRead {
  const digests = [...new Set(paths.flatMap((path) => deleted[path]?.digest ?? []))]
  const [digest = ''] = digests
  if (digests.length > 1 || !cluster.deletions.has(digest))
    throw new MillraceError('MR_INTERNAL_BUG', 'what a scan leaves out was not made ready for Spark')
  return {
    format: 'parquet',
    paths: [pattern(deletionsAt(cluster, digest))],
    schema: `${DELETED.chunk} BIGINT, ${DELETED.words} ARRAY<BIGINT>`,
  }
}

/** In the order of the plan. */
export function scansOf(relation: Relation): readonly Scan[] {
  switch (relation.kind) {
    case 'scan':
      return [relation]
    case 'union':
      return relation.inputs.flatMap(scansOf)
    case 'join':
      return [...scansOf(relation.left), ...scansOf(relation.right)]
    default:
      return scansOf(relation.input)
  }
}

function readOf(cluster: Cluster, { source, schema, rowNumber, rowsBefore }: Scan): SparkRead {
  if (source.format !== 'parquet' || source.hive !== undefined)
    throw new MillraceError('MR_INTERNAL_BUG', `a scan of ${source.format} was not made ready for Spark`)
  const [path = ''] = source.paths
  const fields = schema.filter(({ name }) => name !== rowNumber)
  const ddl = fields.map((field) => `${identifier(field.name)} ${storedType(cluster, path, field) ?? 'BIGINT'}`)
  const columns = fields.map(({ name }) => identifier(name))
  return {
    format: 'parquet',
    paths: source.paths.map(pattern),
    // without any column Spark would look for them itself
    schema: ddl.length === 0 ? '`#none` BIGINT' : ddl.join(', '),
    ...(rowNumber === undefined && !lacksRows(source)
      ? {}
      : {
          select: [
            ...columns,
            `${position(source.paths, rowsBefore ?? [0], metadataOf(fields))} AS ${positionOf(schema)}`,
          ],
        }),
  }
}

/** Paths are patterns to Spark: their special characters are escaped. */
export const pattern = (path: string): string => locatedAt(resolve(path).replace(/[\\*?[\]{}]/g, '\\$&'))

/** Whatever the cluster's default file system is. */
export const locatedAt = (path: string): string => `file:${resolve(path)}`

/** What Spark calls that which it knows of a row's file: where a column has its name, with one more underscore. */
export function metadataOf(fields: Schema): string {
  const names = new Set(fields.map(({ name }) => name.toLowerCase()))
  let name = '_metadata'
  while (names.has(name)) name = `_${name}`
  return name
}

function position(paths: readonly string[], rowsBefore: readonly number[], metadata: string): string {
  const own = `${metadata}.row_index`
  // not a number in the query's text: what Spark compiles for one file is then what it compiled for another, once
  if (paths.length === 1)
    return `${own} + get(from_json('[${rowsBefore[0] ?? 0}]', 'array<bigint>'), CAST(${own} < 0 AS INT))`
  const files = paths.map((path, i) => ({ path: locationOf(path), before: rowsBefore[i] ?? 0 }))
  const file = `${metadata}.file_path`
  if (files.length > FILES_AT_ONCE) {
    // what tells so many apart would be a method that Java does not compile
    const place = spark.position(
      file,
      files.map(({ path }) => path),
    )
    const list = textLiteral(JSON.stringify(files.map((one) => one.before)))
    return `${own} + coalesce(get(from_json(${list}, 'array<bigint>'), CAST(${place} AS INT)), ${unexpected(file)})`
  }
  files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
  return `${own} + ${before(files, 0, files.length - 1, file)}`
}

const unexpected = (file: string): string => `CAST(raise_error(concat('unexpected file ', ${file})) AS BIGINT)`

/** Nested halves, so that 64 files cost six comparisons; a path that is none of them is an error, not a wrong row. */
function before(files: readonly { path: string; before: number }[], from: number, to: number, file: string): string {
  if (from >= to) {
    const one = files[from]
    const path = textLiteral(one?.path ?? '')
    return `if(${file} = ${path}, ${one?.before ?? 0}L, ${unexpected(file)})`
  }
  const middle = (from + to) >> 1
  const first = textLiteral(files[middle + 1]?.path ?? '')
  return `CASE WHEN ${file} < ${first} THEN ${before(files, from, middle, file)} ELSE ${before(files, middle + 1, to, file)} END`
}

/**
 * A path as Spark's `_metadata.file_path` writes it (java.net.URI of its parts): ASCII that a URI's path may not hold is
 * percent-encoded, and of other characters the blank ones.
 */
export function locationOf(path: string): string {
  const encoded = resolve(path).replace(/[^A-Za-z0-9_\-!.~'()*/;:@&=+$,\u0080-\u{10ffff}]|[\p{Z}\p{Cc}]/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
  return `file:${encoded}`
}
