import { describe, expect, it } from 'vitest'
import type { WindowDocument } from '../core/documents.js'
import { LOAN_INPUTS } from '../../test/models.js'
import { MillraceError } from '../core/errors.js'
import { MISSING_TIME, type Schema } from '../core/schema.js'
import { RowReader } from './rows.js'

const reader = new RowReader(LOAN_INPUTS, { maxRows: 10 })
const row = { income: 100, children: 1, 'owns home': true, city: 'Oslo', since: '2021-01-01' }
const columns = { income: [100], children: [1], 'owns home': [true], city: ['Oslo'], since: ['2021-01-01'] }
const split = { columns: Object.keys(row), data: [Object.values(row)] }

const refusal = (body: unknown, using = reader): MillraceError => {
  try {
    using.read(body)
  } catch (error) {
    if (error instanceof MillraceError) return error
    throw error
  }
  throw new Error('the body was accepted')
}

describe('RowReader', () => {
  it.each<[string, unknown]>([
    ['a list of records', [row]],
    ['dataframe_records', { dataframe_records: [row] }],
    ['dataframe_split', { dataframe_split: split }],
    [
      'dataframe_split with its columns in another order',
      {
        dataframe_split: {
          columns: split.columns.toReversed(),
          index: [7],
          data: split.data.map((r) => r.toReversed()),
        },
      },
    ],
    ['inputs of columns', { inputs: columns }],
    ['inputs of [N,1] columns', { inputs: { ...columns, income: [[100]] } }],
    ['inputs of records', { inputs: [row], params: {} }],
    ['instances', { instances: [row] }],
  ])('reads %s', (_, body) => {
    const batch = reader.read(body)
    expect(batch.rows).toBe(1)
    expect(batch.columns).toEqual([
      Float64Array.of(100),
      Float64Array.of(1),
      Float64Array.of(1),
      ['Oslo'],
      BigInt64Array.of(1_609_459_200_000_000n),
    ])
  })

  it('reads null as missing', () => {
    const nothing = { income: null, children: null, 'owns home': null, city: null, since: null }
    const batch = reader.read([nothing, row, { ...nothing, income: 5 }])
    const [income, children, home, city, since] = batch.columns
    expect(income).toEqual(Float64Array.of(NaN, 100, 5))
    expect([children, home]).toEqual([Float64Array.of(NaN, 1, NaN), Float64Array.of(NaN, 1, NaN)])
    expect(city).toEqual(['', 'Oslo', ''])
    expect(since).toEqual(BigInt64Array.of(MISSING_TIME, 1_609_459_200_000_000n, MISSING_TIME))
  })

  it.each<[unknown, bigint]>([
    ['2021-01-01T00:00:00Z', 1_609_459_200_000_000n],
    ['2021-01-01 02:00:00.25+02:00', 1_609_459_200_250_000n],
    ['2021-01-01T00:00:00.1234567', 1_609_459_200_123_456n],
    ['1969-12-31T23:59:59.999999', -1n],
    ['0001-01-01', -62_135_596_800_000_000n],
    [1_609_459_200_000, 1_609_459_200_000_000n],
    [1_609_459_200_000_000, 1_609_459_200_000_000n],
    ['', MISSING_TIME],
  ])('reads the time %j', (since, micros) => {
    expect(reader.read([{ ...row, since }]).columns[4]).toEqual(BigInt64Array.of(micros))
  })

  it('cuts dates to midnight, before 1970 too', () => {
    const dates = new RowReader([{ name: 'd', type: 'date' }])
    const [days] = dates.read({ inputs: { d: ['2021-01-01T23:00:00', '1969-12-31T01:00:00'] } }).columns
    expect(days).toEqual(BigInt64Array.of(1_609_459_200_000_000n, -86_400_000_000n))
  })

  it.each<[string, unknown, string, string[]]>([
    ['text', 'x', 'MR_REQUEST_SHAPE', ['a text']],
    ['null', null, 'MR_REQUEST_SHAPE', ['null']],
    ['a single record', row, 'MR_REQUEST_SHAPE', ['"income"', '[{…}]']],
    ['no known key', { rows: [] }, 'MR_REQUEST_SHAPE', ['"rows"', 'dataframe_split']],
    ['two shapes', { inputs: columns, instances: [row] }, 'MR_REQUEST_SHAPE', ['"inputs", "instances"']],
    ['records in a record', { instances: row }, 'MR_REQUEST_SHAPE', ['instances is an object']],
    ['lists for records', { instances: [[1, 2]] }, 'MR_REQUEST_SHAPE', ['row 0', 'dataframe_split']],
    ['split without columns', { dataframe_split: { data: [] } }, 'MR_REQUEST_SHAPE', ['columns']],
    ['split without data', { dataframe_split: { columns: split.columns } }, 'MR_REQUEST_SHAPE', ['data']],
    ['a short row', { dataframe_split: { ...split, data: [[1]] } }, 'MR_REQUEST_SHAPE', ['row 0', '1 values for 5']],
    ['uneven columns', { inputs: { ...columns, city: [] } }, 'MR_REQUEST_SHAPE', ['"city"', '0 values']],
    ['a column that is no list', { inputs: { ...columns, city: 'x' } }, 'MR_REQUEST_SHAPE', ['"city"', 'a text']],
    ['an unknown column', [{ ...row, City: 'Oslo' }], 'MR_REQUEST_COLUMN', ['"City"', 'did you mean "city"']],
    ['an unknown column in inputs', { inputs: { ...columns, x: [1] } }, 'MR_REQUEST_COLUMN', ['"x"']],
    ['an own __proto__', JSON.parse('[{"__proto__":{"income":1}}]'), 'MR_REQUEST_COLUMN', ['__proto__']],
    [
      'a column twice',
      { dataframe_split: { columns: ['city', ...split.columns], data: [] } },
      'MR_REQUEST_COLUMN',
      ['"city"', 'twice'],
    ],
    [
      'absent columns',
      [{ income: 1, children: 2, city: 'x' }],
      'MR_REQUEST_COLUMN',
      ['"owns home" (boolean), "since" (timestamp)'],
    ],
    [
      'a column that one of several records lacks',
      [row, row, { ...row, city: undefined }],
      'MR_REQUEST_COLUMN',
      ['column "city", row 2: the record lacks it', 'give null'],
    ],
    [
      'a column under a wrong name in one of several records',
      [row, JSON.parse(JSON.stringify({ ...row, city: undefined, City: 'Oslo' }))],
      'MR_REQUEST_COLUMN',
      ['"City"; did you mean "city"?'],
    ],
    [
      'a number in quotes',
      [row, { ...row, income: '100' }],
      'MR_REQUEST_VALUE',
      ['"income", row 1', '"100"', 'a number'],
    ],
    [
      'a number too large',
      JSON.parse('[{"income":1e999,"children":1,"owns home":true,"city":"","since":null}]'),
      'MR_REQUEST_VALUE',
      ['too large'],
    ],
    ['NaN in quotes', [{ ...row, income: 'NaN' }], 'MR_REQUEST_VALUE', ['"NaN"']],
    ['a fraction', [{ ...row, children: 1.5 }], 'MR_REQUEST_VALUE', ['"children"', '1.5', 'a whole number']],
    ['true for a number', [{ ...row, income: true }], 'MR_REQUEST_VALUE', ['true is not a number']],
    ['2 for a truth value', [{ ...row, 'owns home': 2 }], 'MR_REQUEST_VALUE', ['"owns home"', 'true, false']],
    ['a number for text', [{ ...row, city: 5 }], 'MR_REQUEST_VALUE', ['"city"', '5 is not a text']],
    ['an object for text', [{ ...row, city: { a: 1 } }], 'MR_REQUEST_VALUE', ['"city"', '{"a":1}']],
    ['no such day', [{ ...row, since: '2021-02-30' }], 'MR_REQUEST_VALUE', ['"since"', 'ISO 8601']],
    ['a fraction of a time', [{ ...row, since: 1.5 }], 'MR_REQUEST_VALUE', ['"since"', '1.5']],
    ['too many rows', Array.from({ length: 11 }, () => row), 'MR_REQUEST_TOO_LARGE', ['11 rows', 'at most 10']],
  ])('refuses %s', (_, body, code, words) => {
    const error = refusal(body)
    expect(error.code).toBe(code)
    for (const word of words) expect(error.message).toContain(word)
  })

  it('leaves out unknown columns where it is told to', () => {
    const lenient = new RowReader(LOAN_INPUTS, { unknownColumns: 'ignore' })
    expect(lenient.read([{ ...row, id: 7 }]).columns[3]).toEqual(['Oslo'])
    expect(lenient.read({ inputs: { ...columns, id: [7] } }).rows).toBe(1)
    expect(refusal([{ id: 7 }], lenient).message).toContain('"income"')
  })

  it('takes a row as it stands in the training data, with the columns that the model does not use', () => {
    const raw = new RowReader(LOAN_INPUTS, { leftOut: ['id', 'repaid'] })
    expect(raw.read([{ id: 7, ...row, repaid: 'no' }]).columns).toEqual(raw.read([row]).columns)
    expect(raw.read({ inputs: { ...columns, id: [7] } }).columns).toEqual(raw.read([row]).columns)
    expect(refusal([{ ...row, City: 'Oslo' }], raw).message).toContain('"City"; did you mean "city"?')
  })

  it('says of a window that a row alone cannot tell it, and what to send', () => {
    const window: WindowDocument = {
      name: 'income',
      by: 'customer',
      of: 'paid',
      compute: 'mean',
      over: 1,
      timestamp: 'at',
      reads: [],
      inWords: 'mean of paid over the 7d before, by customer',
    }
    const windowed = new RowReader(LOAN_INPUTS, { windows: [window], leftOut: ['customer', 'paid'] })
    const { income, ...rest } = row
    const { code, message } = refusal([{ ...rest, customer: 1, paid: 5 }], windowed)
    expect([code, message]).toEqual([
      'MR_WINDOW_HISTORY',
      'the request lacks the window "income" (mean of paid over the 7d before, by customer), which a row alone cannot ' +
        'tell; send its value with the row, computed from the rows before it; null where it is missing',
    ])
    const one = refusal([row, rest], windowed)
    expect([one.code, one.message.slice(0, 40)]).toEqual([code, 'row 1: the record lacks the window "inco'])
    expect(refusal({ inputs: { ...columns, income: undefined } }, windowed).code).toBe('MR_REQUEST_SHAPE')
    expect(refusal({ dataframe_split: { columns: Object.keys(rest), data: [] } }, windowed).message).toBe(message)
    const both = refusal([{ children: 1, 'owns home': true, since: null }], windowed)
    expect(both.code).toBe('MR_REQUEST_COLUMN')
    expect(both.message).toMatch(/columns "income" \(number\), "city" \(text\).*of these the window "income"/)
    expect(windowed.read([{ ...rest, income: null }]).columns[0]).toEqual(Float64Array.of(NaN))
    expect(windowed.read([row]).columns[0]).toEqual(Float64Array.of(income))
  })

  it('takes columns named as what objects inherit', () => {
    const schema: Schema = ['__proto__', 'constructor', 'toString'].map((name) => ({ name, type: 'text' }))
    const hostile = new RowReader(schema)
    const body = JSON.parse('[{"__proto__":"a","constructor":"b","toString":"c"}]') as unknown
    expect(hostile.read(body).columns).toEqual([['a'], ['b'], ['c']])
    expect(
      hostile.read({ inputs: JSON.parse('{"__proto__":["a"],"constructor":["b"],"toString":["c"]}') as object }).rows,
    ).toBe(1)
    expect(refusal([{ '': 1 }], hostile).code).toBe('MR_REQUEST_COLUMN')
    expect(refusal(JSON.parse('[{"__proto__":"a"}]'), hostile).message).toContain(
      '"constructor" (text), "toString" (text)',
    )
  })

  it('reads no rows at all as an empty batch', () => {
    expect(reader.read([]).rows).toBe(0)
    expect(reader.read({ dataframe_split: { ...split, data: [] } }).rows).toBe(0)
  })
})
