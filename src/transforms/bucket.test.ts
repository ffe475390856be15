import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cell, type Column, FeatureTables } from '../../test/conformance/feature-table.js'
import { EXTREMES, expectSame, NUMBERS, transformConformance } from '../../test/conformance/transform.js'
import { bucket } from './bucket.js'
import { fitPlan } from './plan.js'

const defaults = { maxCategories: 1 }

transformConformance(bucket, [
  {
    title: 'puts a value equal to an edge into the upper bucket, missing last',
    type: 'number',
    steps: [{ bucket: [18, 30, 65] }],
    train: [-5, 17.999999999999996, 18, 29.9, 30, 65, 1e9, null],
    probe: [Infinity, -Infinity, NaN, -0],
    expected: [[0, 0, 1, 1, 2, 3, 3, 4, 3, 0, 4, 0]],
  },
  {
    title: 'tells 0 and -0 not apart',
    type: 'number',
    steps: [{ bucket: { edges: [0] } }],
    train: [0, -0, -5e-324, 5e-324],
    expected: [[1, 1, 0, 1]],
  },
  {
    title: 'cuts training rows into equal parts',
    type: 'integer',
    steps: [{ bucket: 4 }],
    train: [1, 2, 3, 4, 5, 6, 7, 8],
    probe: [null, -100, 100],
    expected: [[0, 0, 1, 1, 2, 2, 3, 3, 4, 0, 3]],
  },
  {
    title: 'merges repeated quantiles, and has no bucket below the minimum',
    type: 'number',
    steps: [{ bucket: { quantiles: 10 } }],
    train: [0, 0, 0, 0, 0, 0, 5, 5, 5, 5, 5],
    probe: [null, -1, 4.5],
    expected: [[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 0, 0]],
  },
  { title: 'takes extremes', type: 'number', steps: ['bucket'], train: NUMBERS, probe: EXTREMES },
  {
    title: 'takes infinite training values',
    type: 'number',
    steps: [{ bucket: 3 }],
    train: [-Infinity, Infinity, 1, 2, null],
    probe: EXTREMES,
  },
  {
    title: 'has one bucket for a constant column',
    type: 'number',
    steps: ['bucket'],
    train: [7, 7],
    probe: [8, null],
    expected: [[0, 0, 0, 1]],
  },
  {
    title: 'tells whole numbers beyond 2^53 apart as the model does, as doubles',
    type: 'integer',
    steps: [{ bucket: [2 ** 53, 2 ** 53 + 2] }],
    train: [2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, 9223372036854774784, -9223372036854774784, null],
    expected: [[0, 1, 2, 2, 0, 3]],
  },
  {
    title: 'comes after an impute, whose indicator stays',
    type: 'number',
    steps: [{ impute: { strategy: 'median', indicator: true } }, 'standard', { bucket: [0] }],
    train: [1, 2, 3, null],
    expected: [
      [0, 0, 0, 1],
      [0, 1, 1, 1],
    ],
  },
  {
    title: 'takes parts of times, each with its own quantiles',
    type: 'timestamp',
    steps: [{ date_parts: ['hour', 'minute'] }, { bucket: 2 }],
    train: [0n, 3_660_000_000n, 7_320_000_000n, null],
    probe: [-1n],
    expected: [
      [0, 1, 1, 2, 1],
      [0, 1, 1, 2, 1],
    ],
  },
])

describe('bucket', () => {
  let tables: FeatureTables
  beforeAll(async () => {
    tables = await FeatureTables.open()
  })
  afterAll(async () => {
    await tables[Symbol.asyncDispose]()
  })

  it('gives any double the same index by SQL, by ONNX and by the definition', async () => {
    const edge = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer({ min: -50, max: 50 }),
      fc.maxSafeInteger(),
    )
    const lists = fc.uniqueArray(edge, { minLength: 1, maxLength: 40, selector: (value) => value + 0 })
    await fc.assert(
      fc.asyncProperty(
        lists,
        lists,
        fc.array(fc.oneof(fc.double(), edge), { minLength: 20, maxLength: 60 }),
        async (first, second, drawn) => {
          // columns of different numbers of edges share their nodes
          const edges = [first, second].map((list) => list.toSorted((a, b) => a - b))
          const rows: Cell[] = [...drawn, ...EXTREMES, ...first.flatMap(neighbours), ...second.flatMap(neighbours)]
          const columns = edges.map((_, i): Column => ({ name: `x${i}`, type: 'number', values: rows }))
          const table = await tables.table(columns)
          const specs = edges.map((list, i) => ({
            name: `x${i}`,
            type: 'number' as const,
            steps: [{ bucket: list }],
          }))
          const plan = await fitPlan(tables.engine, table, specs, defaults)
          const sql = await tables.bySql(plan, table)
          expectSame(sql, await tables.byOnnx(plan, table))
          const index = (list: readonly number[], x: number): number =>
            Number.isNaN(x) ? list.length + 1 : list.filter((value) => x >= value).length
          const expected = edges.map((list) => rows.map((x) => index(list, x === null ? NaN : Number(x))))
          expect(sql.map((feature) => [...feature])).toEqual(expected)
        },
      ),
      { numRuns: 20 },
    )
  })

  it('takes a thousand buckets', async () => {
    const values = Array.from({ length: 3000 }, (_, i) => (i * 7919) % 3001)
    const table = await tables.table([{ name: 'x', type: 'integer', values }])
    const plan = await fitPlan(
      tables.engine,
      table,
      [{ name: 'x', type: 'integer', steps: [{ bucket: 1000 }] }],
      defaults,
    )
    expect(plan.categories).toEqual([{ name: 'x', size: 1001 }])
    const sql = await tables.bySql(plan, table)
    expectSame(sql, await tables.byOnnx(plan, table))
    const counts = new Uint32Array(1001)
    for (const index of sql[0] ?? []) counts[index]! += 1
    expect([...counts.subarray(0, 1000)]).toEqual(new Array<number>(1000).fill(3))
  })

  it.each([
    [[], /edges are a list of 1 to 999 numbers, not \[\]/],
    [[1, 1], /edges must be ascending, each once, not \[1,1\]/],
    [[2, 1], /ascending/],
    [[0, -0], /ascending/],
    [[1, Infinity], /an edge must be a finite number/],
    [['a'], /an edge must be a finite number, not "a"/],
    [1, /quantiles must be a whole number from 2 to 1000, not 1/],
    [{ quantiles: 2.5 }, /quantiles must be a whole number/],
    [{ quantiles: 3, edges: [1] }, /give either quantiles or edges/],
    [{ egdes: [1] }, /unknown option "egdes"/],
    ['ten', /options are a map of quantiles, edges, not "ten"/],
  ])('refuses %j', (given, message) => {
    expect(() => bucket.options(given, 'number', defaults)).toThrow(message)
  })

  it('says where its buckets begin', () => {
    expect(bucket.describe({ edges: [18, 30.5], areQuantiles: false })).toBe(
      'bucket (3, from 18, 30.5 on; one index for missing)',
    )
    expect(bucket.describe({ edges: [], areQuantiles: true })).toBe('bucket (1 by quantiles; one index for missing)')
  })
})

/** The value and the doubles next to it. */
function neighbours(value: number): number[] {
  const bits = new BigInt64Array(new Float64Array([value]).buffer)[0] ?? 0n
  const near = [bits - 1n, bits + 1n].map((other) => new Float64Array(new BigInt64Array([other]).buffer)[0] ?? 0)
  return [value, ...near]
}
