import { describe, expect, it } from 'vitest'
import { transformConformance } from '../../test/conformance/transform.js'
import { dateParts } from './date_parts.js'

const ALL = ['year', 'month', 'day', 'weekday', 'hour', 'minute', 'day_of_year']
const micros = (iso: string): bigint => BigInt(Date.parse(iso)) * 1000n

/** JavaScript's own calendar (proleptic Gregorian, UTC) as the second opinion. */
function parts(us: bigint): number[] {
  const date = new Date(Number((us - (((us % 1000n) + 1000n) % 1000n)) / 1000n))
  const start = Date.UTC(2000, 0, 1) + (new Date(date).setUTCHours(0, 0, 0, 0) - Date.UTC(2000, 0, 1))
  const newYear = new Date(0)
  newYear.setUTCFullYear(date.getUTCFullYear(), 0, 1)
  return [
    date.getUTCFullYear(),
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCDay() === 0 ? 7 : date.getUTCDay(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    (start - newYear.getTime()) / 86_400_000 + 1,
  ]
}

const DAYS = [
  '1970-01-01T00:00:00Z',
  '1969-12-31T23:59:59Z',
  '2000-02-29T12:30:00Z',
  '1900-02-28T23:59:00Z',
  '1900-03-01T00:00:00Z',
  '2024-02-29T00:01:00Z',
  '2024-12-31T23:59:59Z',
  '2023-12-31T00:00:00Z',
  '2100-03-01T06:07:08Z',
  '1600-12-31T18:00:00Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59Z',
].map(micros)
const SPREAD = Array.from(
  { length: 400 },
  (_, i) => micros('1700-01-01T00:00:00Z') + BigInt(i) * 31_557_000_123_457n + BigInt(i),
)
const expectedOf = (times: readonly bigint[]): number[][] =>
  ALL.map((_, part) => times.map((time) => parts(time)[part] ?? NaN))

transformConformance(dateParts, [
  {
    title: 'knows the calendar',
    type: 'timestamp',
    steps: [{ date_parts: ALL }, { impute: { value: -1 } }],
    train: [...DAYS, ...SPREAD, -1n],
    expected: expectedOf([...DAYS, ...SPREAD, -1n]),
  },
  {
    title: 'leaves missing times to impute',
    type: 'timestamp',
    steps: [{ date_parts: ['year'] }, { impute: { value: -1 } }],
    train: [null, ...DAYS.slice(0, 1)],
    expected: [[-1, 1970]],
  },
  {
    title: 'is imputed and scaled in all parts',
    type: 'timestamp',
    steps: ['date_parts', { impute: 'median' }, 'standard'],
    train: [...DAYS, null],
  },
  { title: 'gets an impute of its own', type: 'timestamp', steps: ['date_parts'], train: [...DAYS, null] },
  {
    title: 'takes dates',
    type: 'date',
    steps: [{ date_parts: { parts: ['day', 'weekday'] } }, { impute: { value: 0 } }],
    train: [micros('2026-11-24T00:00:00Z'), null],
    expected: [
      [24, 0],
      [2, 0],
    ],
  },
  {
    title: 'has indicators',
    type: 'date',
    steps: [{ date_parts: ['month', 'day'] }, { impute: { strategy: 'median', indicator: true } }],
    train: [micros('2026-11-24T00:00:00Z'), null],
    expected: [
      [11, 11],
      [0, 1],
      [24, 24],
      [0, 1],
    ],
  },
])

describe('date_parts', () => {
  it.each([
    [['yer'], /a part must be one of year, month, .*, not "yer"/],
    [[], /parts is a list of year/],
    [['day', 'day'], /only once/],
    [{ part: ['day'] }, /unknown option "part"; there are parts/],
  ])('refuses %j', (given, message) => {
    expect(() => dateParts.options(given, 'date', { maxCategories: 1 })).toThrow(message)
  })
})
