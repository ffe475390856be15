/**
 * Rows to be scored by a model with windows: values that the data has are used; others are computed, as the batch path
 * does, from the data's own rows and, where a history is given, from the rows in it.
 */
import type { ModelMetadata, WindowDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import type { Field, Schema } from '../core/schema.js'
import type { Session } from '../etl/duckdb/session.js'
import { statistics } from '../etl/duckdb/statistics.js'
import type { Inferred } from '../etl/engine.js'
import { call, col, int, missing, type OrderKey } from '../etl/expr.js'
import { filter, project, type Relation, scan, select, sort, union } from '../etl/relation.js'
import { rangeRequests, scaled, withWindows } from '../etl/windows.js'
import { windowsInWords } from '../serving/rows.js'

/** What a person named, as it was found. */
export interface NamedSource extends Inferred {
  readonly location: string
}

export interface ScoringInput {
  /** Exactly the model's inputs, rows in the order of the data. */
  readonly relation: Relation
  /** Windows that were not in the data. */
  readonly computed: readonly WindowDocument[]
}

const PART = '__millrace_part'
const ROW = '__millrace_row'

/**
 * @param data has all inputs of the model that are no windows
 * @param history earlier rows, which are not scored
 * @throws MR_WINDOW_HISTORY where a window is neither there nor can be computed, MR_USAGE for a history of no use
 */
export async function scoringInput(
  session: Session,
  metadata: ModelMetadata,
  data: NamedSource,
  history: NamedSource | undefined,
  signal: AbortSignal | undefined,
): Promise<ScoringInput> {
  const { inputs, windows = [] } = metadata
  const has = (source: Inferred, name: string): boolean => source.schema.some((field) => field.name === name)
  const computed = windows.filter(({ name }) => !has(data, name))
  if (computed.length === 0) {
    if (history !== undefined)
      throw new MillraceError(
        'MR_USAGE',
        `--history is of no use: ${windows.length === 0 ? `the model "${metadata.name}" has no windows` : `${data.location} has all windows of the model`}`,
        { hint: 'leave it out' },
      )
    return { relation: scan(data.source, inputs), computed }
  }
  const reads = distinct(computed.flatMap((window) => window.reads))
  // rows that are to be judged have no label yet
  const later = (name: string): boolean => name === metadata.label && history !== undefined && has(history, name)
  requireColumns(computed, data, (name) => has(data, name) || later(name))
  if (history !== undefined) requireColumns(computed, history, (name) => has(history, name))

  const given = inputs.filter(({ name }) => !computed.some((window) => window.name === name))
  const fields = distinct([...reads, ...given])
  const part = (source: Inferred, wanted: readonly Field[], number: number): Relation => {
    const there = wanted.filter(({ name }) => has(source, name))
    return project(scan(source.source, there, { rowNumber: ROW }), [
      ...fields.map(({ name, type }) => ({
        name,
        expr: there.some((field) => field.name === name) ? col(name) : missing(type),
      })),
      { name: PART, expr: int(number) },
      { name: ROW, expr: col(ROW) },
    ])
  }
  const rows = union([...(history === undefined ? [] : [part(history, reads, 0)]), part(data, fields, 1)])
  const fitted = scaled(computed, await statistics(session, rows, rangeRequests(computed), signal))
  const place: readonly OrderKey[] = [{ expr: col(PART) }, { expr: col(ROW) }]
  const wide = filter(withWindows(rows, fitted, place), call('eq', col(PART), int(1)))
  const names = inputs.map(({ name }) => name)
  return { relation: select(sort(wide, [{ expr: col(ROW) }], { unique: true }), names), computed }
}

function requireColumns(
  windows: readonly WindowDocument[],
  { location, schema }: NamedSource,
  has: (name: string) => boolean,
): void {
  const unknown = windows.filter((window) => !window.reads.every(({ name }) => has(name)))
  if (unknown.length === 0) return
  const lacking = distinct(unknown.flatMap(({ reads }) => reads)).filter(({ name }) => !has(name))
  const list = (names: readonly { readonly name: string }[]): string => names.map(({ name }) => `"${name}"`).join(', ')
  throw new MillraceError(
    'MR_WINDOW_HISTORY',
    `${location} lacks ${windowsInWords(unknown)}, and it has no column ${list(lacking)} to compute ` +
      `${unknown.length === 1 ? 'it' : 'them'} from; it has ${list(schema)}`,
    { hint: 'add the columns; rows from before that the windows look at are given by --history FILE' },
  )
}

function distinct(fields: readonly Field[]): Schema {
  return [...new Map(fields.map((field) => [field.name, field])).values()]
}
