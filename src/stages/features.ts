/**
 * Features: columns that need other rows than their own. Windows over the earlier rows of an entity are added to the table
 * here, before anything is fitted, so that every later stage sees them as columns like others.
 */
import type { PipelineConfig, WindowConfig } from '../config/config.js'
import { parseDuration } from '../config/units.js'
import type { TableDocument, WindowDocument } from '../core/documents.js'
import { MillraceError, nearest } from '../core/errors.js'
import type { ColumnType, Field, Schema } from '../core/schema.js'
import { col } from '../etl/expr.js'
import { sort } from '../etl/relation.js'
import { rangeRequests, scaled, withWindows } from '../etl/windows.js'
import type { StageKind } from '../pipeline/stage.js'
import { getJson, putJson, type RunResources, TABLE_TYPE } from './run-resources.js'
import { isTableThere, RESERVED, ROW, rowProgress, tableRelation, writeTable } from './tables.js'

export function features(resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'features',
    version: 3,
    after: ['validate'],
    stillThere: (outputs, _, store) => isTableThere(store, outputs['table']),
    async run(context) {
      const { config, inputs, store, signal } = context
      const ref = inputs['validate']?.['table']
      if (ref === undefined) throw new Error('validate left no table')
      if (Object.keys(config.features.windows).length === 0) return { table: ref, windows: await putJson(store, []) }
      const table = await getJson<TableDocument>(store, ref)
      const planned = planWindows(
        config,
        table.schema.filter(({ name }) => name !== ROW),
      )
      const engine = await resources.engine()
      const relation = await tableRelation(store, table)
      const windows = scaled(planned, await engine.statistics(relation, rangeRequests(planned), signal))
      const place = [{ expr: col(ROW) }]
      const wide = sort(withWindows(relation, windows, place), place, { unique: true })
      const written = await writeTable(engine, store, wide, { progress: rowProgress(context), signal })
      return { table: await putJson(store, written, TABLE_TYPE), windows: await putJson(store, windows) }
    },
  }
}

const MICROSECONDS = 1_000_000
/** A thousand years: no frame leaves the range of 64-bit microseconds. */
const LONGEST_DAYS = 365_000
const NUMERIC: readonly ColumnType[] = ['number', 'integer', 'boolean']

/**
 * The windows of the file as facts, against the columns of the table. Throws MR_WINDOW_COLUMN: unknown columns with the
 * nearest one, types that cannot play their part, names that are taken.
 */
export function planWindows(config: PipelineConfig, schema: Schema): readonly WindowDocument[] {
  const { windows } = config.features
  const taken = new Map(schema.map(({ name }) => [name.toLowerCase(), name]))
  return Object.entries(windows).map(([name, window]) => {
    const before = taken.get(name.toLowerCase())
    if (before !== undefined)
      throw refuse(name, `'${before}' is a column already; names are compared without regard to case`, RENAME)
    if (name.startsWith('__') || RESERVED.includes(name.toLowerCase()))
      throw refuse(name, `names that begin with __ and ${RESERVED.join(', ')} are for Millrace's own columns`, RENAME)
    taken.set(name.toLowerCase(), name)
    return planWindow(name, window, config, schema)
  })
}

function planWindow(name: string, window: WindowConfig, config: PipelineConfig, schema: Schema): WindowDocument {
  const { by, of, compute, over, rows, delay } = window
  const field = (key: string, column: string): Field => {
    const found = schema.find((candidate) => candidate.name === column)
    if (found !== undefined) return found
    const names = schema.map((candidate) => candidate.name)
    const near = nearest(column, names)
    const meant = near === undefined ? '' : `; did you mean '${near}'?`
    throw refuse(name, `${key}: there is no column '${column}' in the data${meant}`, `columns: ${names.join(', ')}`)
  }
  const entity = field('by', by)
  if (by === config.label)
    throw refuse(name, `by: '${by}' is the label, so that a row's window would tell its label`, 'name another column')
  const time = field('timestamp', config.timestamp ?? '')
  const times: readonly ColumnType[] = over === undefined ? [...TIMES, 'integer', 'number'] : TIMES
  if (!times.includes(time.type))
    throw refuse(
      name,
      `timestamp: '${time.name}' is ${time.type}; ${over === undefined ? 'rows' : 'over'} needs ${inWords(times)}`,
      over === undefined ? 'give timestamp a column that orders the rows' : 'declare it under data.schema, or use rows',
    )
  const value = of === undefined ? undefined : field('of', of)
  const types: readonly ColumnType[] = compute === 'lag' ? [...NUMERIC, 'text'] : NUMERIC
  if (value !== undefined && compute !== 'count' && !types.includes(value.type))
    throw refuse(
      name,
      `of: '${value.name}' is ${value.type}; ${compute} is of ${inWords(types)}`,
      'name another column',
    )
  const reads = [entity, time, ...(value === undefined ? [] : [value])]
  const length = over === undefined ? 0 : microseconds(name, 'over', over)
  const wait = delay === undefined ? 0 : microseconds(name, 'delay', delay)
  if (over !== undefined && length === 0) throw refuse(name, `over: ${over} holds no row`, 'give a longer time')
  return {
    name,
    by,
    ...(of === undefined ? {} : { of }),
    compute,
    ...(over === undefined ? {} : { over: length }),
    ...(rows === undefined ? {} : { rows }),
    ...(wait === 0 ? {} : { delay: wait }),
    timestamp: time.name,
    reads: reads.filter(({ name: column }, i) => reads.findIndex((other) => other.name === column) === i),
    inWords: windowInWords(window, wait === 0 ? undefined : delay),
  }
}

const TIMES: readonly ColumnType[] = ['timestamp', 'date']
const RENAME = 'give the window a name of its own'
const inWords = (types: readonly string[]): string => `${types.slice(0, -1).join(', ')} or ${types.at(-1)}`

function microseconds(name: string, key: string, duration: string): number {
  const seconds = parseDuration(duration)
  if (seconds > LONGEST_DAYS * 86_400)
    throw refuse(name, `${key}: ${duration} is longer than ${LONGEST_DAYS}d`, 'give a shorter time')
  return Math.round(seconds * MICROSECONDS)
}

function windowInWords({ by, of, compute, over, rows = 1 }: WindowConfig, delay: string | undefined): string {
  const what = of === undefined ? 'number of rows' : `${compute === 'count' ? 'number of values' : compute} of ${of}`
  if (compute === 'lag') return `${of} ${rows === 1 ? 'of the row' : `${rows} rows`} before, by ${by}`
  const when = over === undefined ? `the ${rows} rows` : `the ${over}`
  return `${what} over ${when} ${delay === undefined ? 'before' : `that end ${delay} before`}, by ${by}`
}

function refuse(window: string, what: string, hint: string): MillraceError {
  return new MillraceError('MR_WINDOW_COLUMN', `features.windows.${window}: ${what}`, { hint })
}
