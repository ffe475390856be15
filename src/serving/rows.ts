/**
 * Rows out of a request's JSON into one batch by the model's schema. Accepted: an array of records, or an object with
 * one of `dataframe_records`, `dataframe_split`, `inputs` (columns or records), `instances` (records). Open Inference
 * Protocol tensors are in tensors.ts. No schema library: this is the request path.
 */
import { type ErrorCode, MillraceError, nearest } from '../core/errors.js'
import type { WindowDocument } from '../core/documents.js'
import { INPUT_TYPE } from '../core/onnx/graph.js'
import type { Field, Schema } from '../core/schema.js'
import type { RecordBatch, Vector } from '../core/table.js'
import { EXPECTED, numeric, temporal, textual } from './values.js'

export interface RowOptions {
  /** A column that the model does not know: refused (default), or left out. */
  readonly unknownColumns?: 'refuse' | 'ignore'
  /** Columns that are left out without a word: those of the training data that the model does not use. */
  readonly leftOut?: readonly string[]
  /** Columns that a row alone cannot tell: a request that lacks them is told so. */
  readonly windows?: readonly WindowDocument[]
  /** The most rows of one request; default 100,000. */
  readonly maxRows?: number
}

type Json = Readonly<Record<string, unknown>>
const SHAPES = ['dataframe_records', 'dataframe_split', 'inputs', 'instances'] as const

export class RowReader {
  private readonly names: ReadonlyMap<string, number>
  /** Names that every object inherits: only an own property counts for them. */
  private readonly inherited: boolean
  readonly maxRows: number
  /** Columns that the model does not know are left out instead of refused. */
  readonly ignoreUnknown: boolean
  private readonly leftOut: ReadonlySet<string>
  private readonly windows: ReadonlyMap<string, WindowDocument>

  constructor(
    readonly schema: Schema,
    options: RowOptions = {},
  ) {
    this.names = new Map(schema.map(({ name }, i) => [name, i]))
    this.inherited = schema.some(({ name }) => name in Object.prototype)
    this.maxRows = options.maxRows ?? 100_000
    this.ignoreUnknown = options.unknownColumns === 'ignore'
    this.leftOut = new Set(options.leftOut)
    this.windows = new Map((options.windows ?? []).map((window) => [window.name, window]))
  }

  /**
   * @param body parsed JSON in one of the shapes above
   * @throws MR_REQUEST_SHAPE, MR_REQUEST_COLUMN, MR_WINDOW_HISTORY (only windows are lacking), MR_REQUEST_VALUE (names
   *   row, column, value and type), MR_REQUEST_TOO_LARGE
   */
  read(body: unknown): RecordBatch {
    if (Array.isArray(body)) return this.records(body, 'the list of records')
    if (typeof body !== 'object' || body === null) throw shape(`it is ${kind(body)}`)
    const given = SHAPES.filter((name) => Object.hasOwn(body, name))
    const [name] = given
    if (name === undefined) {
      const keys = Object.keys(body)
      const own = keys.some((key) => this.names.has(key)) ? '; a single record goes into a list: [{…}]' : ''
      throw shape(`its keys are ${keys.length > 0 ? list(keys) : 'none'}${own}`)
    }
    if (given.length > 1) throw shape(`it has ${list(given)} at once`)
    const value = (body as Json)[name]
    if (name === 'dataframe_split') return this.split(value)
    if (name === 'inputs' && isObject(value)) return this.columns(value)
    return this.records(value, name)
  }

  /** Throws MR_REQUEST_TOO_LARGE where a request asks for more rows than one may. */
  checkRows(rows: number): void {
    if (rows > this.maxRows)
      throw new MillraceError(
        'MR_REQUEST_TOO_LARGE',
        `the request has ${rows} rows; at most ${this.maxRows} are allowed in one`,
        { hint: 'send it in parts, or score a file with `millrace predict`' },
      )
  }

  /** Throws MR_REQUEST_COLUMN or MR_WINDOW_HISTORY unless `names` holds every column of the model and, where asked, no other. */
  checkColumns(names: readonly string[]): void {
    for (const name of names) this.checkKnown(name)
    const given = new Set(names)
    if (given.size !== names.length)
      throw refuse('MR_REQUEST_COLUMN', `the column "${names.find((n, i) => names.indexOf(n) !== i)}" is given twice`)
    const absent = this.schema.filter(({ name }) => !given.has(name))
    if (absent.length > 0) throw this.absent(absent)
  }

  private records(value: unknown, where: string): RecordBatch {
    if (!Array.isArray(value)) throw shape(`${where} is ${kind(value)}, not a list of records`)
    const rows = value.length
    this.checkRows(rows)
    const records = value as Json[]
    const { schema, inherited } = this
    let known = 0
    const absent: Field[] = []
    let gap: MillraceError | undefined
    for (let r = 0; r < rows; r++) if (!isObject(records[r])) throw this.notRecord(records[r], r, where)
    const columns = schema.map((field) => {
      const { name } = field
      const guarded = inherited && name in Object.prototype
      const column = makeColumn(field, rows)
      let present = 0
      let lacking = -1
      for (let r = 0; r < rows; r++) {
        const record = records[r] as Json
        const cell = guarded && !Object.hasOwn(record, name) ? undefined : record[name]
        if (cell === undefined) {
          if (lacking < 0) lacking = r
        } else {
          present++
          if (!setCell(column, r, cell, field)) throw wrong(field, r, cell)
        }
      }
      known += present
      if (lacking >= 0) {
        if (present === 0) absent.push(field)
        else gap ??= lacks(field, lacking, this.windows.get(name))
      }
      return column
    })
    // as many keys as known values: nothing unknown, without a look-up of each key
    if (!this.ignoreUnknown) this.checkUnknown(records, known)
    if (absent.length > 0) throw this.absent(absent)
    if (gap !== undefined) throw gap
    return { schema, rows, columns }
  }

  private checkUnknown(records: readonly Json[], known: number): void {
    let keys = 0
    for (const record of records) keys += Object.keys(record).length
    if (keys === known) return
    for (const record of records) for (const key of Object.keys(record)) this.checkKnown(key)
  }

  private checkKnown(name: string): void {
    if (!this.ignoreUnknown && !this.names.has(name) && !this.leftOut.has(name)) throw this.unknown(name)
  }

  private split(value: unknown): RecordBatch {
    if (!isObject(value)) throw shape(`dataframe_split is ${kind(value)}, not {"columns": […], "data": [[…]]}`)
    const { columns: names, data } = value
    if (!Array.isArray(names) || !names.every((name) => typeof name === 'string'))
      throw shape('dataframe_split.columns is not a list of names')
    if (!Array.isArray(data)) throw shape(`dataframe_split.data is ${kind(data)}, not a list of rows`)
    this.checkRows(data.length)
    this.checkColumns(names)
    const rows = data as unknown[][]
    rows.forEach((row, r) => {
      if (!Array.isArray(row)) throw shape(`row ${r} of dataframe_split.data is ${kind(row)}, not a list`)
      if (row.length !== names.length)
        throw shape(`row ${r} of dataframe_split.data has ${row.length} values for ${names.length} columns`)
    })
    return this.build(rows.length, (field) => {
      const at = names.indexOf(field.name)
      return (r) => rows[r]?.[at]
    })
  }

  private columns(value: Json): RecordBatch {
    this.checkColumns(Object.keys(value))
    let rows = -1
    const lists = new Map<string, unknown[]>()
    for (const { name } of this.schema) {
      const items = value[name]
      if (!Array.isArray(items)) throw shape(`the column "${name}" of inputs is ${kind(items)}, not a list of values`)
      if (rows >= 0 && items.length !== rows)
        throw shape(`the column "${name}" of inputs has ${items.length} values where others have ${rows}`)
      rows = items.length
      lists.set(name, items)
    }
    this.checkRows(rows)
    return this.build(rows, ({ name }) => {
      const items = lists.get(name) as unknown[]
      // [N,1] as well as [N]
      return (r) => {
        const item = items[r]
        return Array.isArray(item) && item.length === 1 ? (item as unknown[])[0] : item
      }
    })
  }

  private build(rows: number, reader: (field: Field) => (row: number) => unknown): RecordBatch {
    const columns = this.schema.map((field) => {
      const cell = reader(field)
      const column = makeColumn(field, rows)
      for (let r = 0; r < rows; r++) {
        const value = cell(r)
        if (!setCell(column, r, value, field)) throw wrong(field, r, value)
      }
      return column
    })
    return { schema: this.schema, rows, columns }
  }

  private notRecord(value: unknown, row: number, where: string): MillraceError {
    const more = Array.isArray(value) ? '; rows without names go into dataframe_split' : ''
    return shape(`row ${row} of ${where} is ${kind(value)}, not a record {"column": value}${more}`)
  }

  private unknown(name: string): MillraceError {
    const near = nearest(name, this.names.keys())
    return refuse(
      'MR_REQUEST_COLUMN',
      `the model has no column "${shorten(name)}"; ${near === undefined ? '' : `did you mean "${near}"? `}` +
        `its columns are ${list([...this.names.keys()])}`,
    )
  }

  private absent(fields: readonly Field[]): MillraceError {
    const windows = fields.flatMap(({ name }) => this.windows.get(name) ?? [])
    if (windows.length === fields.length)
      return refuse('MR_WINDOW_HISTORY', `the request lacks ${windowsInWords(windows)}; ${SEND_WINDOW}`)
    const what = fields.length === 1 ? 'column' : 'columns'
    const names = fields.map(({ name, type }) => `"${name}" (${type})`).join(', ')
    const more = windows.length === 0 ? '' : `; of these ${windowsInWords(windows)}; ${SEND_WINDOW}`
    return refuse(
      'MR_REQUEST_COLUMN',
      `the request lacks the ${what} ${names}; give null where a value is missing${more}`,
    )
  }
}

/** An empty vector for `rows` values of a column. */
export function makeColumn({ type }: Field, rows: number): Vector {
  const element = INPUT_TYPE[type]
  if (element === 'double') return new Float64Array(rows)
  return element === 'int64' ? new BigInt64Array(rows) : new Array<string>(rows)
}

/** Sets one value; false where it is not of the column's type. */
export function setCell(column: Vector, row: number, value: unknown, field: Field, unit?: 'us'): boolean {
  if (column instanceof Float64Array) {
    const number = numeric(value, field.type)
    if (number === undefined) return false
    column[row] = number
  } else if (column instanceof BigInt64Array) {
    const time = temporal(value, field.type, unit)
    if (time === undefined || BigInt.asIntN(64, time) !== time) return false
    column[row] = time
  } else {
    const text = textual(value)
    if (text === undefined) return false
    ;(column as string[])[row] = text
  }
  return true
}

/** MR_REQUEST_VALUE for one value: names column, row (from 0), value and what is expected. */
export function wrong({ name, type }: Field, row: number, value: unknown): MillraceError {
  const shown =
    typeof value === 'number' && !Number.isFinite(value) ? 'a number too large for 64 bits' : shorten(show(value))
  return refuse('MR_REQUEST_VALUE', `column "${name}", row ${row}: ${shown} is not ${EXPECTED[type]} (type ${type})`)
}

/** A key that only some records have is as wrong as one that none has: a missing value is said with null. */
function lacks({ name, type }: Field, row: number, window: WindowDocument | undefined): MillraceError {
  if (window !== undefined)
    return refuse('MR_WINDOW_HISTORY', `row ${row}: the record lacks ${windowsInWords([window])}; ${SEND_WINDOW}`)
  return refuse(
    'MR_REQUEST_COLUMN',
    `column "${name}", row ${row}: the record lacks it (type ${type}); give null where a value is missing`,
  )
}

export function refuse(code: ErrorCode, message: string): MillraceError {
  return new MillraceError(code, message)
}

const SEND_WINDOW = 'send its value with the row, computed from the rows before it; null where it is missing'

/** Which windows, what each is made of, and why a row does not tell them. At most five. */
export function windowsInWords(windows: readonly WindowDocument[]): string {
  const shown = windows.slice(0, 5).map(({ name, inWords }) => `"${name}" (${inWords})`)
  const more = windows.length > 5 ? ` and ${windows.length - 5} more` : ''
  return `the ${windows.length === 1 ? 'window' : 'windows'} ${shown.join(', ')}${more}, which a row alone cannot tell`
}

function shape(what: string): MillraceError {
  return refuse(
    'MR_REQUEST_SHAPE',
    `the request is not rows: ${what}. Send a list of records, or an object with one of ${SHAPES.join(', ')}`,
  )
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a JSON value is, in words. */
export function kind(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'absent'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value === 'string' ? 'text' : typeof value}`
}

/** Lists and objects within others are not written out: they may be nested deeper than the stack. */
export function show(value: unknown): string {
  if (isNested(value)) return kind(value)
  return JSON.stringify(value) ?? 'nothing'
}

const isNested = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).some((inner) => typeof inner === 'object' && inner !== null)

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 30).map((name) => `"${shorten(name)}"`)
  return shown.join(', ') + (names.length > 30 ? ` and ${names.length - 30} more` : '')
}
