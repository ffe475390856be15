/** What measurements of a table are a leak, and what are not. */
import { describe, expect, test } from 'vitest'
import {
  type Cell,
  copyFinding,
  entityFinding,
  fittedFinding,
  labelFindings,
  laterFindings,
  leakDocument,
  leaksOf,
  leakSummary,
  orderFinding,
  tellsClass,
  tellsNumber,
  windowFindings,
} from './leaks.js'

/** The same rows on both sides of the split. */
const both = (bin: string, target: number, rows: number): readonly Cell[] => [
  { bin, target, isTrain: true, rows },
  { bin, target, isTrain: false, rows },
]

describe('a column and a class', () => {
  test('1 for a copy, 0 for a column that says nothing', () => {
    expect(tellsClass([...both('a', 0, 90), ...both('b', 1, 20)], 2)).toBe(1)
    expect(tellsClass([...both('a', 0, 90), ...both('a', 1, 20)], 2)).toBe(0)
  })

  test.each([100, 1_000, 100_000])('one row in a hundred changed is 0.98 beside %i frequent rows', (frequent) => {
    const cells = [
      ...both('a', 0, frequent * 0.99),
      ...both('b', 0, frequent * 0.01),
      ...both('b', 1, 99),
      ...both('a', 1, 1),
    ]
    expect(tellsClass(cells, 2)).toBeCloseTo(0.98, 10)
  })

  test('no row judges itself: a value of its own tells nothing', () => {
    const cells = Array.from({ length: 200 }, (_, i): Cell => ({
      bin: `id${i}`,
      target: i % 2,
      isTrain: i < 100,
      rows: 1,
    }))
    expect(tellsClass(cells, 2)).toBe(0)
  })

  test('a number that was never seen answers as the nearest one that was', () => {
    const cells: Cell[] = [
      { bin: '1', target: 0, isTrain: true, rows: 20 },
      { bin: '2', target: 0, isTrain: false, rows: 20 },
      { bin: '9', target: 1, isTrain: true, rows: 20 },
      { bin: '10', target: 1, isTrain: false, rows: 20 },
    ]
    expect(tellsClass(cells, 2)).toBe(1)
  })

  test('too few rows of any but the most frequent class say nothing', () => {
    expect(tellsClass([...both('a', 0, 500), ...both('b', 1, 9)], 2)).toBeNaN()
    expect(labelFindings([{ column: 'a', value: NaN }], 'y', 'classification')[0]).toMatchObject({ passed: true })
  })
})

test('a column and a number: R² of ranks, 1 for any monotone copy', () => {
  const cells = Array.from({ length: 50 }, (_, i) => both(String(2 * i + 1), i, 3)).flat()
  expect(tellsNumber(cells, 50)).toBe(1)
  expect(
    tellsNumber(
      cells.map((cell) => ({ ...cell, bin: '' })),
      50,
    ),
  ).toBeLessThan(0.01)
})

test('a label limit for each task; every column from it on is named, with what to do', () => {
  const found = labelFindings(
    [0.974, 0.975, 1].map((value) => ({ column: `c${value}`, value })),
    'y',
    'classification',
  )
  expect(found.map(({ column, passed }) => [column, passed])).toEqual([
    ['c1', false],
    ['c0.975', false],
  ])
  expect(found[0]?.detail).toContain('features.exclude: [c1]')
  expect(labelFindings([{ column: 'c', value: 0.99 }], 'y', 'regression')[0]?.passed).toBe(true)
})

test('copies: a share and a number of rows; where rows are coarse, more than coincidence makes', () => {
  const rows = { judging: 1000, coarse: 0, columns: 5, without: [] }
  expect(copyFinding({ ...rows, copies: 9, judging: 20 }).passed).toBe(true)
  expect(copyFinding({ ...rows, copies: 100 }).passed).toBe(false)
  expect(copyFinding({ ...rows, copies: 100, coarse: 0.3 }).passed).toBe(true)
  expect(copyFinding({ ...rows, copies: 400, coarse: 0.3 })).toMatchObject({ passed: false, value: 0.4, limit: 0.3 })
})

test('one row of an entity on both sides is one too many, but for a split by time', () => {
  expect(entityFinding('who', 'stratified', { judging: 100, shared: 1 })).toMatchObject({
    passed: false,
    column: 'who',
  })
  expect(entityFinding('who', 'time', { judging: 100, shared: 50 }).passed).toBe(true)
})

test('look-ahead: times, order, windows', () => {
  const later = (n: number) => laterFindings('at', [{ column: 'closed', present: 1000, later: n }]).length
  expect([later(10), later(11)]).toEqual([0, 1])
  expect(orderFinding('at', 0, 10)).toEqual([])
  expect(orderFinding('at', 1, 10)).toMatchObject([{ passed: false, column: 'at' }])
  expect(windowFindings([{ window: 'w', rows: 200, different: 0 }])).toEqual([])
  expect(windowFindings([{ window: 'w', rows: 200, different: 1 }])).toHaveLength(1)
  expect(windowFindings([{ window: 'w', rows: 200, different: 0, ofLabel: true }])[0]?.detail).toContain('delay')
})

test('the document: what the file allows passes, and is told', () => {
  const found = [
    entityFinding('who', 'stratified', { judging: 100, shared: 1 }),
    fittedFinding([{ what: 'the steps of a', held: 'x', fitted: 'y' }], 3),
  ]
  const refused = leakDocument(found, 'refuse', ['who'])
  expect(refused.passed).toBe(false)
  expect(leaksOf(refused).map(({ check }) => check)).toEqual(['fitted_on_other_rows'])
  const allowed = leakDocument(found, 'refuse', ['who', 'fitted_on_other_rows'])
  expect(allowed.passed).toBe(true)
  expect(leakSummary(allowed)).toBe(
    'none found (5 checks); allowed by the file: fitted_on_other_rows, entity_across_splits (who)',
  )
})
