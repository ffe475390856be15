/** Times as people write them in rules. */
import { expect, test } from 'vitest'
import { microseconds, timeInWords } from './rule.js'

const SECOND = 1_000_000n
const DAY = 1_704_067_200n * SECOND

test.each([
  ['2024-01-01', DAY],
  ['2024-01-01 00:00:00.000500', DAY + 500n],
  ['2024-01-01T00:00:00.5', DAY + 500_000n],
  ['2024-01-01 00:00:01.123456000Z', DAY + SECOND + 123_456n],
  ['2024-01-01 02:00:00.000001+02:00', DAY + 1n],
  ['1969-12-31 23:59:59.999999', -1n],
  ['2024-02-29', DAY + 59n * 86_400n * SECOND],
])('%s is a time', (written, micros) => {
  expect(microseconds(written)).toBe(micros)
})

test.each(['2024-02-30', '2023-02-29 10:00', '2024-13-01', '2024-01-01 25:00', '2024-01-01 00:00:00.0000005', '2024'])(
  '%s is none',
  (written) => {
    expect(microseconds(written)).toBeUndefined()
  },
)

test('in words with the fraction that tells two times apart', () => {
  expect([DAY, DAY + SECOND, DAY + 500n, -1n].map(timeInWords)).toEqual([
    '2024-01-01',
    '2024-01-01 00:00:01 UTC',
    '2024-01-01 00:00:00.000500 UTC',
    '1969-12-31 23:59:59.999999 UTC',
  ])
})
