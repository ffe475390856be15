/** The leak check on real tables: silent on each as it is, and every kind of leak found that is planted in it. */
import { DuckDBInstance } from '@duckdb/node-api'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PipelineConfig } from '../../src/config/config.js'
import type { LeakDocument, LeakFinding, TableDocument } from '../../src/core/documents.js'
import { withColumns } from '../../src/etl/relation.js'
import { text } from '../../src/etl/expr.js'
import { leaksOf } from '../../src/evaluate/leaks.js'
import { loadConfig, openArtifactStore, openDuckDb, runPipeline } from '../../src/index.js'
import { featuresRelation, type FeaturesTable } from '../../src/stages/features-table.js'
import { findLeaks } from '../../src/stages/leaks.js'
import { getJson } from '../../src/stages/run-resources.js'
import { tableRelation } from '../../src/stages/tables.js'
import { labelledRows, type PlanDocument, SPLIT } from '../../src/stages/transform.js'
import { fitPlan } from '../../src/transforms/plan.js'
import { folder, ROOT } from './cli.js'
import { python } from './python.js'

const SHARED = join(ROOT, '../shared/data')
const STAGES = ['extract', 'validate', 'features', 'transform', 'leaks'] as const

interface Table {
  readonly file: string
  readonly label: string
  /** The class that is planted on; absent for a number. */
  readonly positive?: string
  /** So many rows that a test need not take more: every n-th. */
  readonly every?: number
}

let made: Awaited<ReturnType<typeof folder>>
beforeAll(async () => {
  made = await folder()
  await python('leak_tables.py', made.path)
})
afterAll(() => made[Symbol.asyncDispose]())

const TABLES: readonly (readonly [string, Table])[] = [
  ['telco churn', { file: 'examples/churn/data/Telco-Customer-Churn.csv', label: 'Churn', positive: 'Yes' }],
  [
    'card fraud',
    {
      file: 'examples/fraud/data/creditcard_uniform_sample_all_frauds.parquet',
      label: 'Class',
      positive: '1',
      every: 5,
    },
  ],
  ['wine', { file: 'wine.csv', label: 'target', positive: 'class_1' }],
  ['breast cancer', { file: 'breast_cancer.csv', label: 'target', positive: 'benign' }],
  ['diabetes', { file: 'diabetes.csv', label: 'target' }],
  ['Adult', { file: 'adult/adult.parquet', label: 'income', positive: '>50K', every: 8 }],
  ['bank churn', { file: 'bank_churn/Bank_Customer_Churn_Prediction.csv', label: 'churn', positive: '1' }],
]

function pathOf({ file }: Table): string | undefined {
  return [join(ROOT, file), join(made.path, file), join(SHARED, file)].find((path) => existsSync(path))
}

/** What a query gives of the table `t`, whose rows are numbered by `n`, as a Parquet file. */
async function planted(table: Table, name: string, select: string): Promise<string> {
  const [from, to] = [pathOf(table) ?? '', join(made.path, `${name}.parquet`)]
  const scan = from.endsWith('.parquet')
    ? `read_parquet('${from}')`
    : `read_csv('${from}', auto_type_candidates = ['BIGINT', 'DOUBLE', 'VARCHAR'])`
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run('SET threads = 1')
  await connection.run(`CREATE TABLE t AS SELECT * REPLACE (n // ${table.every ?? 1} AS n) FROM (SELECT *, row_number() OVER () - 1 AS n FROM ${scan})
    WHERE n % ${table.every ?? 1} = 0`)
  await connection.run(`COPY (${select}) TO '${to}' (FORMAT parquet)`)
  connection.closeSync()
  instance.closeSync()
  return to
}

/** Runs the data part; gives the check's document, and what else a test of its inputs needs. */
async function checked(file: string, { label }: Table, set: readonly string[] = []) {
  const home = join(made.path, '.millrace')
  const pipeline = join(made.path, 'pipeline.yaml')
  const document = {
    pipeline_name: 'leaks',
    version: '1',
    label,
    data: { source_path: file, output_path: 'out' },
    training: { model_type: 'logistic_regression' },
  }
  await writeFile(pipeline, JSON.stringify(document))
  const { state } = await runPipeline(loadConfig(pipeline, { set }), { home, stages: STAGES })
  const stage = state.stages.find(({ name }) => name === 'leaks')
  const store = await openArtifactStore(join(home, 'artifacts'), { readOnly: true })
  const ref = stage?.value?.['report'] ?? stage?.attachments?.['report']
  const broken = state.stages.find(({ name, error }) => error !== undefined && name !== 'leaks')
  if (ref === undefined) throw new Error(broken?.error?.message ?? stage?.error?.message ?? 'no report')
  return { report: await getJson<LeakDocument>(store, ref), error: stage?.error, state, store }
}

const failed = (report: LeakDocument, check: LeakFinding['check']): readonly string[] =>
  leaksOf(report).flatMap((finding) => (finding.check === check ? [finding.column ?? ''] : []))

describe.each(TABLES)('%s', (name, table) => {
  const file = name.replace(' ', '_')
  const target = `"${table.label}"`
  const isPositive = `CAST(${target} AS VARCHAR) = '${table.positive}'`
  const missing = (): boolean => pathOf(table) === undefined
  const why = `${table.file} is not in ../shared/data beside the repository`

  test('as it is: silent; a plan fitted on all rows: found', async ({ skip }) => {
    skip(missing(), why)
    const { report, error, state, store } = await checked(
      await planted(table, file, 'SELECT * EXCLUDE (n) FROM t'),
      table,
    )
    expect(leaksOf(report)).toEqual([])
    expect(report.passed).toBe(true)
    expect(error).toBeUndefined()

    const outputOf = (stage: string, output: string) => state.stages.find((s) => s.name === stage)?.value?.[output]
    const plan = await getJson<PlanDocument>(store, outputOf('transform', 'plan'))
    const document = await getJson<TableDocument>(store, outputOf('features', 'table'))
    const rows = await tableRelation(store, document)
    const written = await getJson<FeaturesTable>(store, outputOf('transform', 'features'))
    const features = await featuresRelation(store, written)
    await using engine = await openDuckDb({ tempFolder: made.path })
    const { signal } = new AbortController()
    const everything = withColumns(labelledRows(rows, plan), [{ name: SPLIT, expr: text('train') }])
    const specs = plan.plan.columns.map((column) => ({ name: column.name, type: column.type }))
    const config = state.config as PipelineConfig
    const onAll = await fitPlan(engine, everything, specs, { maxCategories: config.features.max_categories }, signal)
    const inputs = { engine, config, table: rows, rows: document.rows, features, windows: [], signal }
    const found = await findLeaks({
      ...inputs,
      plan: { ...plan, plan: { ...onAll, excluded: plan.plan.excluded ?? [] } },
    })
    await store.close()
    expect(failed(found, 'fitted_on_other_rows')).toEqual([''])
    expect(found.checks[0]?.value).toBeGreaterThan(0)
  })

  test('copies across splits: rows sampled again, an export written twice with new ids', async ({ skip }) => {
    skip(missing(), why)
    const some = table.positive === undefined ? 'n % 4 = 0' : isPositive
    const again = `SELECT * EXCLUDE (n) FROM t UNION ALL SELECT * EXCLUDE (n) FROM t WHERE ${some}`
    const sampled = await checked(await planted(table, `${file}_sampled`, again), table)
    expect(failed(sampled.report, 'duplicates')).toEqual([''])
    expect(sampled.error?.code).toBe('MR_LEAK_FOUND')
    await sampled.store.close()
    const ids = 'SELECT n AS id, * EXCLUDE (n) FROM t UNION ALL SELECT n + 1000000, * EXCLUDE (n) FROM t'
    const twice = await checked(await planted(table, `${file}_twice`, ids), table, ['entity=id'])
    expect(failed(twice.report, 'duplicates')).toEqual([''])
    await twice.store.close()
  })

  test('columns that tell the label', async ({ skip }) => {
    skip(missing(), why)
    const other = `(SELECT max(${target}) FROM t)`
    const least = `(SELECT min(${target}) FROM t)`
    const noisy = `CASE WHEN row_number() OVER (PARTITION BY ${target} ORDER BY hash(n)) % 100 <> 50 THEN ${target} WHEN ${target} = ${other} THEN ${least} ELSE ${other} END`
    const columns =
      table.positive === undefined
        ? {
            twice_and_one: `2 * ${target} + 1`,
            negative: `-${target}`,
            as_text_code: `CAST(${target} AS VARCHAR) || ' mg'`,
          }
        : {
            copy: target,
            respelled: `upper(CAST(${target} AS VARCHAR)) || '.'`,
            noisy,
            jittered: `dense_rank() OVER (ORDER BY ${target}) + (hash(n) % 1000) / 2500.0`,
            ...(name === 'wine' ? {} : { closing_note: `CASE WHEN ${isPositive} THEN 3.5 + hash(n) % 7 END` }),
          }
    const list = Object.entries(columns).map(([column, sql]) => `${sql} AS ${column}`)
    const { report, error, store } = await checked(
      await planted(table, `${file}_told`, `SELECT * EXCLUDE (n), ${list.join(', ')} FROM t`),
      table,
    )
    await store.close()
    const found = failed(report, 'label_in_features')
    // a text of as many values as rows tells nothing of another row
    expect([...found].sort()).toEqual(
      Object.keys(columns)
        .filter((column) => column !== 'as_text_code')
        .sort(),
    )
    expect(error?.code).toBe('MR_LEAK_FOUND')
    expect(error?.message).toContain(found[0])
  })

  test('a time that looks ahead, an entity on both sides', async ({ skip }) => {
    skip(missing(), why)
    const begun = "TIMESTAMP '2024-01-01' + to_minutes(n)"
    const { report, store } = await checked(
      await planted(
        table,
        `${file}_late`,
        `SELECT * EXCLUDE (n), n // 3 AS person, n % 41 AS batch, ${begun} AS begun, ${begun} + to_days(CAST(hash(n) % 9 AS INTEGER)) AS ended,
          ${begun} - to_hours(CAST(hash(n) % 50 AS INTEGER)) AS born FROM t`,
      ),
      table,
      ['entity=person', 'timestamp=begun', 'split.method=group', 'split.group=batch', 'leak_check.action=warn'],
    )
    await store.close()
    expect(failed(report, 'entity_across_splits')).toEqual(['person'])
    expect(failed(report, 'look_ahead')).toEqual(['ended'])
    expect(report.passed).toBe(false)
  })
})
