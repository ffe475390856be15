/**
 * Rows in a plan's order. Spark deals the pieces of several files out by size, so what is read in the order of files is
 * read as a union of files, each in its own tasks: Spark keeps the order of a union's inputs, of a file's pieces and of a
 * sort.
 */
import { MillraceError } from '../../core/errors.js'
import { isOrdered, union, type Relation } from '../relation.js'
import { baseOf } from './prepare.js'

/** Files of one query: each is a branch of its plan, or of the SQL that tells them apart. */
export const FILES_AT_ONCE = 64

/** A query whose rows come in order. */
export interface Piece {
  readonly relation: Relation
  /** The cuts between its tasks are the same on every run and every cluster. */
  readonly isFixed: boolean
}

/** Queries that give a prepared relation's rows one after the other; of one without an order, itself. */
export function piecesOf(relation: Relation): readonly Piece[] {
  if (!isOrdered(relation)) return [{ relation, isFixed: false }]
  const pieces: Piece[] = []
  let open: Relation[] = []
  const close = (): void => {
    if (open.length > 0)
      pieces.push({ relation: open.length === 1 ? (open[0] ?? relation) : union(open), isFixed: true })
    open = []
  }
  for (const part of partsOf(relation)) {
    if (baseOf(part).kind === 'scan') {
      open.push(part)
      if (open.length === FILES_AT_ONCE) close()
    } else {
      close()
      pieces.push({ relation: part, isFixed: false })
    }
  }
  close()
  return pieces
}

function partsOf(relation: Relation): readonly Relation[] {
  switch (relation.kind) {
    case 'scan':
      return relation.source.paths.map((_, i) => ofFiles(relation, i, i + 1))
    case 'union':
      return relation.inputs.flatMap(partsOf)
    case 'project':
    case 'filter':
      return partsOf(relation.input).map((input) => ({ ...relation, input }))
    default:
      return [relation]
  }
}

/** Projections and filters on a scan, over some of its files. */
export function ofFiles(relation: Relation, start: number, end: number): Relation {
  if (relation.kind === 'project' || relation.kind === 'filter')
    return { ...relation, input: ofFiles(relation.input, start, end) }
  if (relation.kind !== 'scan') throw new MillraceError('MR_INTERNAL_BUG', `a ${relation.kind} has no files`)
  const { source, rowsBefore } = relation
  return {
    ...relation,
    source: { ...source, paths: source.paths.slice(start, end) },
    ...(rowsBefore === undefined ? {} : { rowsBefore: rowsBefore.slice(start, end) }),
  }
}
