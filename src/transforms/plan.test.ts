import * as ort from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Column, FeatureTables, featureGraph, featureModel } from '../../test/conformance/feature-table.js'
import { expectSame } from '../../test/conformance/transform.js'
import { golden } from '../../test/golden.js'
import { GraphBuilder, readModel } from '../core/onnx/graph.js'
import type { Engine } from '../etl/engine.js'
import { project } from '../etl/relation.js'
import { emitInputs, emitPlan, fitPlan, planDocument, planExpressions } from './plan.js'
import type { ColumnSpec } from './steps.js'
import type { FeaturePlan, StepSpec } from './transform.js'

let tables: FeatureTables
beforeAll(async () => {
  tables = await FeatureTables.open()
})
afterAll(async () => {
  await tables[Symbol.asyncDispose]()
})

const micros = (iso: string): bigint => BigInt(Date.parse(iso)) * 1000n
const CUSTOMERS: readonly Column[] = [
  { name: 'tenure', type: 'integer', values: [1, 34, 2, null, 8, 22] },
  { name: 'contract', type: 'text', values: ['monthly', 'yearly', 'monthly', '', 'monthly', null] },
  { name: 'charges', type: 'number', values: [29.85, 56.95, NaN, 42.3, null, 89.1] },
  { name: 'senior', type: 'boolean', values: [true, false, null, false, false, false] },
  {
    name: 'joined',
    type: 'date',
    values: ['2024-02-29', '2023-12-31', '2025-01-01'].map(micros).flatMap((day) => [day, null]),
  },
  { name: 'seen', type: 'timestamp', values: [null, 1n, -1n, micros('2026-11-24T12:34:56Z'), 0n, 86_400_000_000n] },
  { name: 'visits', type: 'integer', values: [0, 0, 1, 1, 0, null] },
  { name: 'plan', type: 'text', values: ['a', 'b', 'c', 'd', 'e', 'a'] },
]
const specs = (columns: readonly Column[]): ColumnSpec[] => columns.map(({ name, type }) => ({ name, type }))
const withSteps: readonly ColumnSpec[] = [
  ...specs(CUSTOMERS.slice(0, 2)),
  { name: 'charges', type: 'number', steps: [{ impute: { strategy: 'mean', indicator: true } }, 'log', 'robust'] },
  ...specs(CUSTOMERS.slice(3, 7)),
  { name: 'plan', type: 'text', steps: [{ index: { max_categories: 3 } }] },
]

describe('fitPlan', () => {
  it('takes one pass for the defaults, none for what needs no statistics', async () => {
    const rows = await tables.table(CUSTOMERS)
    const asked: number[] = []
    const engine: Engine = {
      ...tables.engine,
      statistics: (relation, requests, signal) => {
        asked.push(requests.length)
        return tables.engine.statistics(relation, requests, signal)
      },
    }
    await fitPlan(engine, rows, specs(CUSTOMERS), { maxCategories: 20 })
    // all columns, date parts each; standard with what its column is imputed by
    expect(asked).toEqual([16])
    await fitPlan(engine, rows, [{ name: 'charges', type: 'number', steps: [{ clip: [0, 1] }, { impute: 0 }] }], {
      maxCategories: 20,
    })
    expect(asked).toHaveLength(1)
  })

  it.each([
    ['charges', [{ impute: 'mean' }, 'standard']],
    ['charges', [{ impute: 'median' }, 'standard']],
    ['charges', [{ impute: { strategy: 'mean', indicator: true } }, 'min_max']],
    ['charges', ['log', { impute: 'median' }, 'standard']],
    ['tenure', [{ impute: 'mean' }, 'standard']],
    ['visits', [{ impute: 'mode' }, 'standard']],
    ['senior', [{ impute: 'mode' }, 'standard']],
    ['joined', ['date_parts', { impute: 'mean' }, 'standard']],
  ] as const)('fits %s by %j in one pass as in a pass for each', async (name, steps) => {
    const rows = await tables.table(CUSTOMERS)
    const type = CUSTOMERS.find((column) => column.name === name)?.type ?? 'number'
    const [last = ''] = steps.slice(-1)
    const fit = (list: readonly StepSpec[]) =>
      fitPlan(tables.engine, rows, [{ name, type, steps: list }], { maxCategories: 2 })
    const { columns } = await fit(steps)
    const [column] = columns
    // the imputed values as a table of their own
    const before = await fit(steps.slice(0, -1))
    const { numeric } = planExpressions(before)
    const wide = numeric.map(({ expr, ...rest }) => ({ ...rest, expr: expr.op === 'cast' ? expr.value : expr }))
    const filled = project(rows, wide)
    const direct = await fitPlan(
      tables.engine,
      filled,
      filled.schema.filter((field) => !field.name.endsWith('_missing')).map((field) => ({ ...field, steps: [last] })),
      { maxCategories: 2 },
    )
    const apart = direct.columns.map((of) => of.steps[0]?.fitted[0] as Readonly<Record<string, number>>)
    const together = column?.steps.at(-1)?.fitted as readonly Readonly<Record<string, number>>[]
    expect(together).toHaveLength(apart.length)
    for (const [i, found] of together.entries())
      for (const [key, value] of Object.entries(apart[i] ?? {}))
        expect(Math.abs((found[key] ?? NaN) - value)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(value)))
  })

  it('gives features in the order of the columns, the same by SQL and ONNX', async () => {
    const rows = await tables.table(CUSTOMERS)
    const plan = await fitPlan(tables.engine, rows, withSteps, { maxCategories: 20 })
    expect(plan.numeric).toEqual([
      'tenure',
      'charges',
      'charges_missing',
      'senior',
      ...['year', 'month', 'day', 'weekday'].map((part) => `joined_${part}`),
      ...['year', 'month', 'day', 'weekday', 'hour', 'minute'].map((part) => `seen_${part}`),
      'visits',
    ])
    expect(plan.categories).toEqual([
      { name: 'contract', size: 3 },
      { name: 'plan', size: 4 },
    ])
    expectSame(await tables.bySql(plan, rows), await tables.byOnnx(plan, rows), 1e-6)
  })

  it('says what became of each column', async () => {
    const rows = await tables.table(CUSTOMERS)
    const plan = await fitPlan(tables.engine, rows, withSteps, { maxCategories: 20 })
    const document = planDocument(plan, [{ name: 'id', type: 'text', reason: 'identifies the row' }])
    golden('transforms/document.json', `${JSON.stringify(document, null, 2)}\n`)
  })

  it('refuses an empty table', async () => {
    const rows = await tables.table([{ name: 'x', type: 'number', values: [] }])
    await expect(
      fitPlan(tables.engine, rows, [{ name: 'x', type: 'number' }], { maxCategories: 2 }),
    ).rejects.toMatchObject({
      code: 'MR_TRANSFORM_NO_ROWS',
      message: 'column "x", step impute: there are no training rows to fit on',
    })
  })

  it('leaves a column without values out by default, and refuses it where the file has steps for it', async () => {
    const rows = await tables.table([
      { name: 'x', type: 'number', values: [null, NaN] },
      { name: 'b', type: 'boolean', values: [null, null] },
      { name: 't', type: 'timestamp', values: [null, null] },
      { name: 's', type: 'text', values: [null, ''] },
      { name: 'y', type: 'number', values: [1, 2] },
    ])
    const all = rows.schema.map(({ name, type }) => ({ name, type }))
    const plan = await fitPlan(tables.engine, rows, all, { maxCategories: 2 })
    expect(plan.numeric).toEqual(['y'])
    expect(plan.categories).toEqual([{ name: 's', size: 1 }])
    expect(plan.excluded?.map(({ name, reason }) => [name, reason])).toEqual(
      ['x', 'b', 't'].map((name) => [name, 'no value in any of the 2 training rows']),
    )
    expect(planDocument(plan).map(({ name, role }) => `${name} ${role}`)).toEqual([
      's feature',
      'y feature',
      'x excluded',
      'b excluded',
      't excluded',
    ])
    expectSame(await tables.bySql(plan, rows), await tables.byOnnx(plan, rows))
    const steps = [{ impute: 'mean' }]
    await expect(
      fitPlan(tables.engine, rows, [{ name: 'x', type: 'number', steps }], { maxCategories: 2 }),
    ).rejects.toMatchObject({
      code: 'MR_TRANSFORM_NO_VALUES',
      message: 'column "x", step impute: no value in any of its 2 training rows; at least one is needed',
    })
  })

  it.each([
    ['standard', 'the minimum of its training rows is -Infinity'],
    ['min_max', 'the minimum of its training rows is -Infinity'],
    ['log', 'the minimum of its training rows is -Infinity'],
    [{ impute: 'mean' }, 'the mean of its training rows is '],
  ])('refuses infinite values for %j, naming column and step', async (step, message) => {
    const rows = await tables.table([{ name: 'x', type: 'number', values: [1, -Infinity, 2] }])
    const fit = fitPlan(tables.engine, rows, [{ name: 'x', type: 'number', steps: [step] }], { maxCategories: 2 })
    await expect(fit).rejects.toMatchObject({ code: 'MR_TRANSFORM_NOT_FINITE' })
    await expect(fit).rejects.toThrow(message)
  })

  it('keeps feature names apart from those of other columns', async () => {
    const rows = await tables.table([
      { name: 'x', type: 'number', values: [1, null] },
      { name: 'x_missing', type: 'number', values: [5, 6] },
    ])
    const steps = [{ impute: { strategy: 'mean', indicator: true } }]
    const plan = await fitPlan(
      tables.engine,
      rows,
      [
        { name: 'x', type: 'number', steps },
        { name: 'x_missing', type: 'number' },
      ],
      { maxCategories: 2 },
    )
    expect(plan.numeric).toEqual(['x', 'x_missing_2', 'x_missing'])
    expectSame(await tables.bySql(plan, rows), await tables.byOnnx(plan, rows))
  })

  it('keeps feature names apart that differ only in case: engines take them for the same', async () => {
    const rows = await tables.table([
      { name: 't', type: 'date', values: [micros('2024-02-29'), null] },
      { name: 'T_YEAR', type: 'number', values: [5, 6] },
      { name: 'x', type: 'number', values: [1, null] },
      { name: 'X_Missing', type: 'number', values: [7, 8] },
    ])
    const plan = await fitPlan(
      tables.engine,
      rows,
      [
        { name: 't', type: 'date' },
        { name: 'T_YEAR', type: 'number' },
        { name: 'x', type: 'number', steps: [{ impute: { strategy: 'mean', indicator: true } }] },
        { name: 'X_Missing', type: 'number' },
      ],
      { maxCategories: 2 },
    )
    expect(plan.numeric).toEqual(expect.arrayContaining(['t_year_2', 'T_YEAR', 'x_missing_2', 'X_Missing']))
    expect(new Set(plan.numeric.map((name) => name.toLowerCase())).size).toBe(plan.numeric.length)
    expectSame(await tables.bySql(plan, rows), await tables.byOnnx(plan, rows))
  })

  it('refuses a plan of another version of a transform', () => {
    const column = { name: 'x', type: 'number', isDefault: true, numeric: ['x'], categories: [] } as const
    const steps = [{ transform: 'clip', version: 99, fitted: [{ low: 0, high: 1 }] }]
    const plan: FeaturePlan = { columns: [{ ...column, steps }], numeric: ['x'], categories: [] }
    expect(() => featureGraph(plan)).toThrow(/column "x": the plan was fitted by version 99 of clip, this is version 1/)
  })
})

describe('emitPlan', () => {
  it('writes one set of nodes for all columns of the same chain', async () => {
    const numbers = ['a', 'b', 'c', 'd'].map((name): Column => ({
      name,
      type: name < 'c' ? 'number' : 'integer',
      values: [1, 2, null],
    }))
    const rows = await tables.table(numbers)
    const plan = await fitPlan(tables.engine, rows, specs(numbers), { maxCategories: 20 })
    const nodes = readModel(featureModel(plan)).graph?.node.map(({ opType }) => opType)
    expect(nodes).toEqual(['Concat', 'IsNaN', 'Where', 'Sub', 'Div', 'Cast', 'Identity'])
  })

  it('keeps the nodes of a typical plan', async () => {
    const rows = await tables.table(CUSTOMERS)
    const plan = await fitPlan(tables.engine, rows, withSteps, { maxCategories: 20 })
    golden('onnx/features.txt', nodeList(featureModel(plan)))
  })

  it('takes any column name as an input', async () => {
    const names = [
      '__proto__',
      'constructor',
      'a.b',
      'sp ace',
      '"q"',
      "it's",
      '🙂',
      'select',
      'Concat_0',
      'const_1',
      '日本',
      'a/b',
      'Cast_3',
    ]
    const columns = names.map((name, i): Column =>
      i % 3 === 2
        ? { name, type: 'text', values: ['u', null, 'v'] }
        : { name, type: 'number', values: [i, null, i + 1] },
    )
    const rows = await tables.table(columns)
    const plan = await fitPlan(tables.engine, rows, specs(columns), { maxCategories: 20 })
    expectSame(await tables.bySql(plan, rows), await tables.byOnnx(plan, rows))
    const session = await ort.InferenceSession.create(featureModel(plan))
    expect(session.inputNames).toEqual(names)
    await session.release()
  })

  it.each(['label', 'probability', 'prediction', ''])('refuses a column called %j, whose input would clash', (name) => {
    expect(() => emitInputs(GraphBuilder.create('x'), [{ name, type: 'number' }])).toThrow(
      expect.objectContaining({ code: 'MR_TRANSFORM_INPUT_NAME' }) as Error,
    )
  })

  it('names an input that the plan needs and does not get', () => {
    const column = { name: 'x', type: 'number', isDefault: true, numeric: ['x'], categories: [], steps: [] } as const
    const plan: FeaturePlan = { columns: [column], numeric: ['x'], categories: [] }
    expect(() => emitPlan(GraphBuilder.create('x'), plan, new Map([['y', 'y']]))).toThrow(
      /needs an input "x"; there are y/,
    )
  })

  it('writes the same bytes each time, from the plan read back from JSON too', async () => {
    const rows = await tables.table(CUSTOMERS)
    const plan = await fitPlan(tables.engine, rows, withSteps, { maxCategories: 20 })
    const bytes = featureModel(plan)
    expect(featureModel(await fitPlan(tables.engine, rows, withSteps, { maxCategories: 20 }))).toEqual(bytes)
    expect(featureModel(JSON.parse(JSON.stringify(plan)) as FeaturePlan)).toEqual(bytes)
  })
})

/** One line a node: operator, inputs (constants with their shape), outputs. */
function nodeList(bytes: Uint8Array): string {
  const graph = readModel(bytes).graph
  const constants = new Map(graph?.initializer.map(({ name, dims }) => [name, `[${dims.join(',')}]`]))
  const shapes = (graph?.output ?? []).map(({ name, type }) => {
    const tensor = type?.value.case === 'tensorType' ? type.value.value : undefined
    const dims = tensor?.shape?.dim.map(({ value }) => String(value.value)).join(', ')
    return `output ${name} [${dims ?? ''}]`
  })
  const nodes = (graph?.node ?? []).map(({ opType, input, output }) => {
    const inputs = input.map((name) => (constants.has(name) ? `const${constants.get(name) ?? ''}` : name))
    return `${output.join(', ')} = ${opType}(${inputs.join(', ')})`
  })
  return [...(graph?.input ?? []).map(({ name }) => `input ${name}`), ...nodes, ...shapes, ''].join('\n')
}
