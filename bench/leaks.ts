/**
 * How near tables that hold no leak come to being told that they do: runs the data part and the leak check on real tables
 * (and the simulated transactions, the largest), and prints for each the nearest figure of every check, its limit and seconds.
 *
 *   npm run bench -- leaks                                   all of them, to bench/results/leaks.json
 *   npm run bench -- leaks FILE LABEL [--set KEY=VALUE]...   one table, every check in words
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { LeakDocument } from '../src/core/documents.js'
import { loadConfig, openArtifactStore, runPipeline } from '../src/index.js'
import { getJson } from '../src/stages/run-resources.js'
import { ROOT } from '../test/e2e/cli.js'
import { PYTHON } from '../test/e2e/python.js'

const folder = await mkdtemp(join(tmpdir(), 'millrace-leaks-'))
const shared = join(ROOT, '../shared/data')
const example = (name: string): string => join(ROOT, 'examples', name, 'pipeline.yaml')

async function checked(pipeline: string, set: readonly string[]) {
  const home = join(folder, 'home')
  const { state } = await runPipeline(loadConfig(pipeline, { set }), {
    home,
    stages: ['extract', 'validate', 'features', 'transform', 'leaks'],
  })
  const stage = (name: string) => state.stages.find((found) => found.name === name)
  const store = await openArtifactStore(join(home, 'artifacts'), { readOnly: true })
  const ref = stage('leaks')?.attachments?.['report']
  const document = ref === undefined ? undefined : await getJson<LeakDocument>(store, ref)
  await store.close()
  await rm(home, { recursive: true, force: true })
  const error = state.stages.find((found) => found.error !== undefined)?.error?.message
  if (document === undefined) throw new Error(error ?? 'the leak check left no report')
  const seconds = (name: string): number => Number((stage(name)?.seconds ?? 0).toFixed(2))
  return { document, seconds: seconds('leaks'), transform: seconds('transform') }
}

async function pipelineFor(file: string, label: string): Promise<string> {
  const path = join(folder, 'pipeline.yaml')
  const document = {
    pipeline_name: 'leaks',
    version: '1',
    label,
    data: { source_path: resolve(file), output_path: 'out' },
    training: { model_type: 'logistic_regression' },
  }
  await writeFile(path, JSON.stringify(document))
  return path
}

try {
  const [file, label, ...rest] = process.argv.slice(2)
  if (file !== undefined && label !== undefined) {
    const set = rest.filter((word) => word !== '--set')
    console.log(JSON.stringify(await checked(await pipelineFor(file, label), set), null, 2))
  } else {
    execFileSync(PYTHON, [join(ROOT, 'test/e2e/leak_tables.py'), folder])
    const tables: readonly (readonly [file: string, label: string, set?: readonly string[]])[] = [
      ...['iris', 'wine', 'breast_cancer', 'digits', 'diabetes'].map((name) => [`${name}.csv`, 'target'] as const),
      [example('churn'), 'Churn'],
      [example('fraud'), 'Class'],
      ['adult/adult.parquet', 'income'],
      ['bank_churn/Bank_Customer_Churn_Prediction.csv', 'churn'],
      ['elec2/elec2.parquet', 'class'],
      ['nyc_taxi/yellow_2018_2020_monthly_samples.parquet', 'fare_amount'],
      [
        example('fraud-transactions'),
        'TX_FRAUD',
        [`data.source_path=${join(shared, 'fraud_handbook_simulated/transactions.parquet')}`],
      ],
    ]
    const results: unknown[] = []
    for (const [name, target, set = []] of tables) {
      const path = name.startsWith(ROOT)
        ? name
        : existsSync(join(folder, name))
          ? join(folder, name)
          : join(shared, name)
      const table = name.startsWith(ROOT) ? `examples/${basename(join(name, '..'))}` : name
      if (!existsSync(path) || set.some((pair) => !existsSync(pair.slice(pair.indexOf('=') + 1)))) {
        console.error(`skipped: ${table} is not here`)
        continue
      }
      const pipeline = name.startsWith(ROOT) ? path : await pipelineFor(path, target)
      const { document, seconds, transform } = await checked(pipeline, set)
      const checks = document.checks.map(({ check, column, value, limit }) => ({
        check,
        ...(column === undefined ? {} : { column }),
        value,
        limit,
      }))
      results.push({ table, label: target, passed: document.passed, seconds, transform, checks })
      console.error(`${table}: ${document.passed ? 'silent' : 'ALARM'} in ${seconds} s`)
    }
    const machine = { cpu: cpus()[0]?.model.replace(/ \d+-Core.*/, ''), cores: cpus().length, load: loadavg()[0] }
    const text = `${JSON.stringify({ what: 'the leak check on tables without a leak', machine, tables: results }, null, 2)}\n`
    await writeFile(join(ROOT, 'bench/results/leaks.json'), text)
    console.log(text)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
