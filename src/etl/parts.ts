/**
 * Tables are files, and what takes each row by itself can be done file by file: then what was computed of a file that is
 * still there need not be computed again.
 */
import type { Relation, Source } from './relation.js'
import { columnsOf } from './types.js'

type Scan = Relation & { readonly kind: 'scan' }

/** The files that a relation reads row by row. */
export interface Parts {
  /** For each file, what tells its rows from others': the digests of its content and of what is left out of it, and its place if that is looked at. */
  readonly names: readonly string[]
  /** The relation over these files alone; rows have the numbers that they have in the whole. */
  only(indices: readonly number[]): Relation
  /** The relation over a file of no name: the same for all tables of one shape. Not to be run. */
  readonly likeness: Relation
}

/** Undefined where rows depend on others (groups, joins, windows, sorts), or nothing is known of the files' content. */
export function partsOf(relation: Relation): Parts | undefined {
  const found = scanBelow(relation, new Set(relation.schema.map(({ name }) => name)))
  if (found === undefined) return undefined
  const { scan, looksAt } = found
  const { source, rowNumber, rowsBefore } = scan
  const isPlaced = rowNumber !== undefined && looksAt.has(rowNumber)
  if (
    source.digests === undefined ||
    source.hive !== undefined ||
    source.layouts !== undefined ||
    source.stored !== undefined
  )
    return undefined
  if (isPlaced && rowsBefore === undefined) return undefined
  const digests = source.paths.map((path) => source.digests?.[path])
  if (digests.some((digest) => digest === undefined)) return undefined
  const names = source.paths.map((path, i) => {
    const deleted = source.deleted?.[path]
    return `${digests[i]}${deleted === undefined ? '' : ` without ${deleted.digest}`}`
  })
  const { digests: _, deleted, ...read } = source
  const over = (paths: readonly string[], before: readonly number[], some: Pick<Source, 'deleted'>): Relation =>
    replaced(relation, { ...scan, source: { ...read, ...some, paths }, rowsBefore: before })
  return {
    names: isPlaced ? names.map((name, i) => `${name} from row ${rowsBefore?.[i]}`) : names,
    only: (indices) =>
      over(
        indices.map((i) => source.paths[i] ?? ''),
        indices.map((i) => rowsBefore?.[i] ?? 0),
        deleted === undefined ? {} : { deleted },
      ),
    likeness: over([''], [0], {}),
  }
}

/** The scan that projections and filters stand on, and its columns that they look at for the columns `wanted`. */
function scanBelow(
  relation: Relation,
  wanted: ReadonlySet<string>,
): { readonly scan: Scan; readonly looksAt: ReadonlySet<string> } | undefined {
  switch (relation.kind) {
    case 'scan':
      return relation.source.format === 'parquet' ? { scan: relation, looksAt: wanted } : undefined
    case 'project': {
      const looksAt = new Set<string>()
      for (const { name, expr } of relation.columns) if (wanted.has(name)) columnsOf(expr, looksAt)
      return scanBelow(relation.input, looksAt)
    }
    case 'filter':
      return scanBelow(relation.input, columnsOf(relation.predicate, new Set(wanted)))
    default:
      return undefined
  }
}

/** The same projections and filters over another scan. */
function replaced(relation: Relation, scan: Scan): Relation {
  switch (relation.kind) {
    case 'project':
    case 'filter':
      return { ...relation, input: replaced(relation.input, scan) }
    default:
      return scan
  }
}
