import { expect, test } from 'vitest'
import { bytes, count, duration, fixed, microseconds, moment, number, percent, score } from './format.js'

test('numbers', () => {
  expect([0, -0, 7043, -1234567, NaN, undefined].map(count)).toEqual(['0', '0', '7,043', '−1,234,567', '–', '–'])
  expect([fixed(-0.0001, 2), fixed(1234.567, 1), fixed(-2.5, 1), fixed(Infinity, 1)]).toEqual([
    '0.00',
    '1,234.6',
    '−2.5',
    '–',
  ])
  expect([0.84211, 1234.56, 2.3e-7, 1e20, 5, 0.1 + 0.2, -0.5].map((v) => number(v))).toEqual([
    '0.8421',
    '1,235',
    '2.3e-7',
    '1e20',
    '5',
    '0.3',
    '−0.5',
  ])
  expect([0.86, 0, 1, 36_420, 2e-5].map(score)).toEqual(['0.860', '0.000', '1.000', '36,420', '2e-5'])
  expect([0, 1, 0.1234, 0.00001, 0.99999, NaN].map((v) => percent(v))).toEqual([
    '0%',
    '100%',
    '12.3%',
    '<0.1%',
    '>99.9%',
    '–',
  ])
})

test('times and sizes', () => {
  expect([0, 0.32, 4.21, 59.4, 59.6, 185, 7800, NaN, -1].map(duration)).toEqual([
    '0 ms',
    '320 ms',
    '4.2 s',
    '59 s',
    '1 min 00 s',
    '3 min 05 s',
    '2 h 10 min',
    '–',
    '–',
  ])
  expect([0, 999, 61_440, 2.5e9].map(bytes)).toEqual(['0 B', '999 B', '61.4 kB', '2.5 GB'])
  expect(moment('2026-11-24T11:39:12.000Z')).toBe('2026-11-24 11:39\u00a0UTC')
  expect(moment('yesterday')).toBe('yesterday')
  expect([microseconds(0), microseconds(1.6e15), microseconds(NaN)]).toEqual(['1970-01-01', '2020-09-13 12:26', '–'])
})
