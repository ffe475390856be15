/** Data of run pages for tests: a telco run as recorded by test/golden/record/run_page_fixture.py, and edge cases. */
import { readFileSync } from 'node:fs'
import type { RunPageData, RunPageStage } from '../../src/dashboard/run-page.js'

type Telco = Required<
  Pick<RunPageData, 'table' | 'validation' | 'features' | 'training' | 'evaluation' | 'registration' | 'sampleRow'>
>

export const telco = JSON.parse(readFileSync(new URL('./telco.json', import.meta.url), 'utf8')) as Telco

const CONFIG = `pipeline_name: churn
version: "1.0"
seed: 7
label: Churn
entity: customerID
features:
  exclude: []
  columns:
    TotalCharges: [{impute: median}, standard]
  max_categories: 100
split: {method: hash, train: 0.7, validation: 0.15, test: 0.15}
gate: {metric: roc_auc, minimum: 0.8, champion: true}
evaluation:
  threshold: f1
  slices: [Contract, InternetService, PaymentMethod]
data:
  source_path: telco.csv
  output_path: features
  validation_rules:
    unique_columns: [customerID]
    non_null_columns: [TotalCharges]
    value_ranges: {MonthlyCharges: [0, 118.5], tenure: [0, 100]}
    min_records: 1000
training:
  model_type: neural_network
  hidden_dims: [64, 32]
  batch_size: 256
  max_epochs: 100
  learning_rate: 0.001
  schedule: cosine
  early_stopping_patience: 5
`

export const stages: readonly RunPageStage[] = [
  {
    name: 'extract',
    status: 'cached',
    startedAt: 0,
    seconds: 0,
    cachedFrom: 'churn-20261123-181204',
    attempts: 0,
    after: [],
  },
  {
    name: 'validate',
    status: 'success',
    startedAt: 0.02,
    seconds: 0.41,
    attempts: 1,
    after: ['extract'],
    note: '4 rows to quarantine',
  },
  { name: 'transform', status: 'success', startedAt: 0.44, seconds: 0.83, attempts: 1, after: ['validate'] },
  {
    name: 'pack',
    status: 'success',
    startedAt: 1.28,
    seconds: 0.22,
    attempts: 2,
    after: ['transform'],
    note: 'first attempt: a file was locked',
  },
  { name: 'train', status: 'success', startedAt: 1.51, seconds: 2.94, attempts: 1, after: ['pack'] },
  {
    name: 'evaluate',
    status: 'success',
    startedAt: 4.46,
    seconds: 0.9,
    attempts: 1,
    after: ['train', 'pack', 'transform'],
  },
  { name: 'register', status: 'success', startedAt: 5.37, seconds: 0.06, attempts: 1, after: ['evaluate', 'train'] },
]

const digest = (c: string) => `sha256:${c.repeat(64)}`

/** A run that went well, on real numbers. */
export const goodRun: RunPageData = {
  ...telco,
  run: {
    id: 'churn-20261124-113912',
    pipeline: 'churn',
    version: '1.0',
    status: 'success',
    started: '2026-11-24T11:39:12.000Z',
    seconds: 5.44,
    seed: 7,
    command: 'millrace run examples/churn/pipeline.yaml --set training.max_epochs=100',
  },
  stages,
  source: 'examples/churn/telco.csv',
  config: CONFIG,
  versions: { millrace: '0.1.0', node: '22.12.0', duckdb: '1.5.5', onnxruntime: '1.30.0', platform: 'linux x64' },
  digests: { source: digest('3'), configuration: digest('c'), features: digest('9'), weights: digest('e') },
  notes: [
    'The file asks for 4 workers with 1 GPU each; this machine has 2 cores and no GPU: trained embedded on 1 thread.',
  ],
}
