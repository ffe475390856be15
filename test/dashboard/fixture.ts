/** Data of run pages for tests: a telco run as recorded by test/golden/record/run_page_fixture.py, and edge cases. */
import { readFileSync } from 'node:fs'
import type { LeakDocument } from '../../src/core/documents.js'
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

/** What the leak check says of the telco customers. */
const leaks: LeakDocument = {
  passed: true,
  action: 'refuse',
  checks: [
    {
      check: 'duplicates',
      passed: true,
      value: 0.00473,
      limit: 0.01,
      detail:
        '10 rows of 2,113 for validation and test (0.473 %) are copies of training rows, equal in 20 columns; a leak from 1 % and 10 rows on',
    },
    {
      check: 'label_in_features',
      column: 'Contract',
      passed: true,
      value: 0.4564,
      limit: 0.975,
      detail:
        'no column tells Churn by itself; the nearest is Contract, balanced accuracy above chance 0.4564; a leak from 0.975 on',
    },
  ],
}

/** A run that went well, on real numbers. */
export const goodRun: RunPageData = {
  ...telco,
  leaks,
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

/** What a person might put into a file to break a page. */
export const HOSTILE = [
  '</script><script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'; DROP TABLE t; --",
  '__proto__',
  'constructor',
  'שם עמודה \u202Eevil\u202C',
  '👩‍👩‍👧‍👦 🎉'.repeat(20),
  'x'.repeat(300),
  'a\u0000b\u0007c',
  '\ud800 lone',
  '   ',
  '&amp;&lt;',
] as const

/** Every name and value of the good run replaced by hostile ones, numbers by those that are not finite. */
export const hostileRun: RunPageData = {
  ...goodRun,
  run: {
    ...goodRun.run,
    id: HOSTILE[0],
    pipeline: HOSTILE[1],
    version: HOSTILE[5],
    command: `millrace run '${HOSTILE[0]}'`,
    seconds: NaN,
  },
  stages: HOSTILE.map((name, i) => ({
    name,
    status: i % 2 === 0 ? 'success' : 'failed',
    seconds: NaN,
    startedAt: Infinity,
    after: HOSTILE.slice(0, i),
    error: HOSTILE[1],
  })),
  source: HOSTILE[0],
  config: HOSTILE.join('\n'),
  notes: HOSTILE,
  versions: Object.fromEntries(HOSTILE.map((n) => [n, n])),
  digests: Object.fromEntries(HOSTILE.map((n) => [n, n])),
  sampleRow: Object.fromEntries(HOSTILE.map((n) => [n, n])),
  registration: { ...telco.registration, name: HOSTILE[0], aliases: [...HOSTILE] },
  validation: {
    ...telco.validation,
    rules: HOSTILE.map((name) => ({
      id: name,
      rule: 'value_ranges',
      column: name,
      expectation: name,
      severity: 'drop',
      passed: false,
      violations: 3,
      examples: HOSTILE,
    })),
    columns: HOSTILE.map((name, i) =>
      i % 2 === 0
        ? {
            name,
            type: 'text',
            missing: 1,
            distinct: 2,
            top: [{ value: HOSTILE[(i + 1) % HOSTILE.length] ?? '', count: 5 }],
          }
        : {
            name,
            type: 'number',
            missing: 0,
            distinct: 5,
            min: -Infinity,
            max: NaN,
            mean: NaN,
            stddev: Infinity,
            histogram: [NaN, 3, 0],
          },
    ),
  },
  leaks: {
    passed: false,
    action: 'warn',
    checks: HOSTILE.map((name, i) => ({
      check: 'label_in_features',
      column: name,
      passed: false,
      ...(i % 2 === 0 ? {} : { allowed: true as const }),
      value: NaN,
      limit: Infinity,
      detail: name,
    })),
  },
  features: {
    ...telco.features,
    label: HOSTILE[0],
    columns: HOSTILE.map((name) => ({
      name,
      type: 'text',
      role: 'feature',
      steps: HOSTILE,
      outputs: [name],
      isDefault: false,
    })),
    split: {
      method: HOSTILE[1],
      counts: { train: 0, validation: 0, test: 0 },
      classes: Object.fromEntries(HOSTILE.map((n) => [n, { train: 0, validation: 0, test: 0 }])),
    },
  },
  training: {
    ...telco.training,
    modelType: HOSTILE[1],
    epochs: [
      {
        epoch: 1,
        learningRate: 0.001,
        trainLoss: NaN,
        validationLoss: Infinity,
        metrics: { [HOSTILE[0]]: NaN, __proto__x: 1 },
        seconds: NaN,
      },
    ],
    bestEpoch: 1,
  },
  evaluation: {
    ...telco.evaluation,
    task: { kind: 'classification', classes: [HOSTILE[0], HOSTILE[6]], positive: HOSTILE[6] },
    metrics: {
      [HOSTILE[0]]: { value: NaN, low: -Infinity, high: Infinity },
      roc_auc: { value: NaN, low: NaN, high: NaN },
    },
    threshold: { value: NaN, rule: HOSTILE[0] },
    roc: [
      { fpr: NaN, tpr: NaN, threshold: NaN },
      { fpr: 1, tpr: 1, threshold: -Infinity },
    ],
    precisionRecall: [
      { recall: NaN, precision: NaN, threshold: 1 },
      { recall: 0, precision: 1, threshold: 0 },
    ],
    calibration: { bins: [{ predicted: NaN, observed: NaN, count: 0 }], ece: NaN, brier: NaN },
    slices: HOSTILE.map((value) => ({
      column: HOSTILE[1],
      value,
      rows: 0,
      metric: HOSTILE[0],
      score: { value: NaN, low: NaN, high: NaN },
    })),
    baseline: {},
    gate: { passed: false, metric: HOSTILE[0], value: NaN, reasons: HOSTILE },
  },
}

/** A run that stopped in validate. */
export const failedRun: RunPageData = {
  run: { ...goodRun.run, id: 'churn-20261124-120501', status: 'failed', seconds: 0.6 },
  stages: stages.map((s, i) =>
    i === 0
      ? { name: s.name, status: 'success', startedAt: 0, seconds: 0.2, attempts: 1, after: s.after }
      : i === 1
        ? {
            name: s.name,
            after: s.after,
            status: 'failed',
            startedAt: 0.21,
            seconds: 0.39,
            attempts: 1,
            error: 'min_records: 12 rows, at least 1,000 are needed',
          }
        : { name: s.name, status: 'pending', after: s.after },
  ),
  error: {
    code: 'MR_VALIDATION_FAILED',
    message: 'telco.csv has 12 rows; data.validation_rules.min_records asks for at least 1000',
    hint: 'lower min_records or give more rows, then `millrace run examples/churn/pipeline.yaml`',
    stage: 'validate',
  },
  source: 'examples/churn/telco.csv',
  config: CONFIG,
  versions: goodRun.versions,
  digests: {},
  notes: [],
}

/** Deterministic numbers in [0, 1) for made-up tables: the integer hash of mulberry32. */
function spread(i: number): number {
  let h = Math.imul(i + 0x6d2b79f5, 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 15), h | 1)
  h ^= h + Math.imul(h ^ (h >>> 7), h | 61)
  return ((h ^ (h >>> 14)) >>> 0) / 2 ** 32
}

/** A regression: house prices as a linear function with noise. */
export const regressionRun: RunPageData = {
  ...goodRun,
  run: { ...goodRun.run, pipeline: 'house_prices', id: 'house_prices-20261124-120000' },
  features: {
    ...telco.features,
    label: 'price',
    task: { kind: 'regression' },
    split: { method: 'hash', counts: telco.features.split.counts },
  },
  training: {
    ...telco.training,
    epochs: telco.training.epochs.map((e) => ({ ...e, metrics: { rmse: 41_000 + 90_000 * e.validationLoss } })),
  },
  evaluation: {
    split: 'test',
    rows: 1460,
    task: { kind: 'regression' },
    metrics: {
      mae: { value: 24_310, low: 22_980, high: 25_701 },
      rmse: { value: 36_420, low: 33_004, high: 40_118 },
      r2: { value: 0.871, low: 0.842, high: 0.893 },
    },
    baseline: { mae: 71_200, rmse: 101_500, r2: 0 },
    scatter: Array.from({ length: 300 }, (_, i) => {
      const actual = 60_000 + 440_000 * spread(i + 1) ** 2
      return { actual, predicted: actual * 0.95 + 12_000 + 90_000 * (spread(i * 7 + 3) - 0.5) }
    }),
    slices: ['old town', 'harbour', 'hills'].map((value, i) => ({
      column: 'district',
      value,
      rows: 400 + 90 * i,
      metric: 'rmse',
      score: { value: 31_000 + 6000 * i, low: 27_000 + 6000 * i, high: 36_500 + 6000 * i },
    })),
    parity: { rows: 1460, maxDifference: 3e-7, tolerance: 1e-6 },
    gate: {
      passed: false,
      metric: 'rmse',
      value: 36_420,
      minimum: 30_000,
      reasons: ['rmse is 36,420 and must not exceed 30,000'],
    },
  },
  sampleRow: { area: 120, rooms: 4 },
}

/** 50 classes, 200 columns, 1000 epochs, a wide graph: what is drawn must be capped. */
export const largeRun: RunPageData = {
  ...goodRun,
  stages: Array.from({ length: 80 }, (_, i) => ({
    name: `stage ${i}`,
    status: 'success',
    seconds: 1,
    startedAt: i / 4,
    after: i === 0 ? [] : [`stage ${Math.floor(i / 2)}`],
  })),
  validation: {
    ...telco.validation,
    columns: Array.from({ length: 200 }, (_, i) => ({
      ...(telco.validation.columns[i % 21] ?? { type: 'text', missing: 0, distinct: 0 }),
      name: `column ${i}`,
    })),
  },
  training: {
    ...telco.training,
    bestEpoch: 777,
    epochs: Array.from({ length: 1000 }, (_, i) => ({
      epoch: i + 1,
      learningRate: 0.001,
      trainLoss: 1 / (i + 1),
      validationLoss: 1.2 / (i + 1),
      metrics: { accuracy: 1 - 0.3 / (i + 1) },
      seconds: 1,
    })),
  },
  evaluation: {
    ...telco.evaluation,
    task: { kind: 'classification', classes: Array.from({ length: 50 }, (_, i) => `class ${i}`), positive: undefined },
    confusion: Array.from({ length: 50 }, (_, i) =>
      Array.from({ length: 50 }, (_, j) => (i === j ? 40 : Math.floor(spread(i * 50 + j) * 3))),
    ),
  },
}
