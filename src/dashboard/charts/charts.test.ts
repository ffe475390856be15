import { describe, expect, test } from 'vitest'
import { golden } from '../../../test/golden.js'
import { goodRun, regressionRun, stages, telco } from '../../../test/dashboard/fixture.js'
import type { Markup } from '../../core/html.js'
import { sparkHistogram, sparkValues, histogram } from './bars.js'
import { calibrationChart } from './calibration.js'
import { costChart } from './cost.js'
import { confusionChart } from './confusion.js'
import { curveChart } from './curve.js'
import { dagChart } from './dag.js'
import { dotWhiskerChart } from './dot-whisker.js'
import { ganttChart } from './gantt.js'
import { lineChart } from './line.js'
import { scatterChart } from './scatter.js'
import { standalone } from './svg.js'

const { evaluation, training, validation } = telco
const epochs = training.epochs
const tenure = validation.columns.find((c) => c.name === 'tenure')
const gantt = stages.map((s) => ({ name: s.name, status: s.status, start: s.startedAt ?? 0, seconds: s.seconds ?? 0 }))
const loss = (values: readonly number[], logarithmic = false) =>
  lineChart({
    title: 'Loss',
    x: values.map((_, i) => i + 1),
    xName: 'epoch',
    yName: 'loss',
    series: [{ name: 'training', values }],
    logarithmic,
  })

const COSTS = [
  { threshold: 0.002, cost: 0.73 },
  { threshold: 0.14, cost: 0.4 },
  { threshold: 0.5, cost: 0.62 },
  { threshold: 1, cost: 1.33 },
]

const CHARTS: Readonly<Record<string, () => Markup>> = {
  line: () =>
    lineChart({
      title: 'Loss',
      x: epochs.map((e) => e.epoch),
      xName: 'epoch',
      yName: 'loss',
      series: [
        { name: 'training', values: epochs.map((e) => e.trainLoss), dashed: true },
        { name: 'validation', values: epochs.map((e) => e.validationLoss) },
      ],
      mark: { x: training.bestEpoch, label: `best: epoch ${training.bestEpoch}` },
    }),
  'line-one-epoch': () => loss([0.7]),
  'line-gaps': () => loss([1, NaN, 0.5, Infinity, 0.25, 0.24]),
  'line-log': () => loss([1, 0.1, 0.012, 0.0031], true),
  roc: () =>
    curveChart({
      title: 'ROC curve',
      xName: 'false positive rate',
      yName: 'true positive rate',
      points: (evaluation.roc ?? []).map((p) => ({ x: p.fpr, y: p.tpr })),
      reference: { kind: 'diagonal' },
      referenceLabel: 'chance',
      chosen: { x: 0.19, y: 0.737, label: 'threshold 0.351' },
      summary: 'area 0.860',
    }),
  'precision-recall': () =>
    curveChart({
      title: 'Precision-recall curve',
      xName: 'recall',
      yName: 'precision',
      points: (evaluation.precisionRecall ?? []).map((p) => ({ x: p.recall, y: p.precision })),
      reference: { kind: 'level', y: 0.264 },
      referenceLabel: 'prevalence 26.4%',
      summary: 'area 0.641',
    }),
  histogram: () =>
    histogram({ title: 'Residuals', xName: 'predicted − actual', low: -3, high: 3, bins: [1, 0, 4, 9, 12, 7, 2, 1] }),
  'spark-histogram': () => sparkHistogram('tenure', tenure?.histogram ?? [], '0', '72'),
  'spark-values': () =>
    sparkValues(
      'Contract',
      [
        { value: 'Month-to-month', count: 55 },
        { value: 'Two year', count: 24 },
      ],
      100,
    ),
  confusion: () => confusionChart({ classes: ['No', 'Yes'], counts: evaluation.confusion ?? [] }),
  'confusion-12': () =>
    confusionChart({
      classes: Array.from({ length: 12 }, (_, i) => `class ${i}`),
      counts: Array.from({ length: 12 }, (_, i) => Array.from({ length: 12 }, (_, j) => (i === j ? 50 : (i * j) % 7))),
    }),
  calibration: () => calibrationChart(evaluation.calibration ?? { bins: [], ece: NaN }),
  'calibration-before': () =>
    calibrationChart({
      ...(evaluation.calibration ?? { bins: [], ece: NaN }),
      before: [
        { predicted: 0.1, observed: 0.02 },
        { predicted: 0.6, observed: 0.7 },
      ],
    }),
  cost: () => costChart({ points: COSTS, none: 1.33, all: 0.73, chosen: { threshold: 0.14, cost: 0.4 } }),
  'cost-rare': () =>
    costChart({
      points: [
        { threshold: 1e-7, cost: 1 },
        { threshold: 1e-4, cost: 0.6 },
        { threshold: 1e-3, cost: 0.1 },
        { threshold: 1, cost: 0.5 },
      ],
      none: 0.5,
      all: 1,
      chosen: { threshold: 1e-3, cost: 0.1 },
    }),
  'dot-whisker': () =>
    dotWhiskerChart({
      title: 'ROC-AUC by Contract',
      rows: evaluation.slices
        .filter((s) => s.column === 'Contract')
        .map((s) => ({ label: s.value, detail: `${s.rows} rows`, ...s.score, baseline: 0.5 })),
      reference: { value: 0.86, label: 'all rows' },
    }),
  scatter: () => scatterChart((regressionRun.evaluation?.scatter ?? []).slice(0, 60)),
  gantt: () => ganttChart(gantt, goodRun.run.seconds),
  dag: () =>
    dagChart([
      { name: 'extract', status: 'cached', after: [] },
      { name: 'validate', status: 'success', seconds: 1.5, after: ['extract'] },
      { name: 'profile', status: 'failed', seconds: 0.2, after: ['extract'] },
      { name: 'transform', status: 'running', after: ['validate', 'extract'] },
      { name: 'report', status: 'pending', after: ['transform', 'profile'] },
    ]),
}

describe('charts', () => {
  test.each(Object.entries(CHARTS))('%s', (name, draw) => {
    const chart = draw()
    expect(chart.toString()).toBe(draw().toString())
    expect(chart.toString()).not.toMatch(/NaN|Infinity|undefined|null/)
    expect(chart.toString()).toMatch(/<title>[^<]+<\/title><desc>[^<]+<\/desc>/)
    golden(`charts/${name}.svg`, standalone(chart))
  })

  test('nothing to draw is still a picture without faults', () => {
    const empty = [
      loss([]),
      loss([NaN, Infinity]),
      loss([0, 0, 0]),
      loss([1e308, -1e308]),
      loss([0, -1], true),
      histogram({ title: 'x', xName: 'x', low: NaN, high: NaN, bins: [] }),
      sparkHistogram('x', [0, 0], '–', '–'),
      sparkValues('x', [], 0),
      confusionChart({ classes: [], counts: [] }),
      confusionChart({ classes: ['only'], counts: [[0]] }),
      calibrationChart({ bins: [], ece: NaN }),
      costChart({ points: [], none: NaN, all: NaN }),
      dotWhiskerChart({ title: 'x', rows: [] }),
      dotWhiskerChart({ title: 'x', rows: [{ label: 'a', value: NaN, low: NaN, high: NaN }] }),
      scatterChart([]),
      ganttChart([]),
      ganttChart([{ name: 'a', status: 'running', start: NaN, seconds: NaN }]),
      dagChart([]),
      dagChart([
        { name: 'a', status: 'success', after: ['a', 'b'] },
        { name: 'b', status: 'success', after: ['a', 'missing'] },
      ]),
    ].map(String)
    for (const svg of empty) {
      expect(svg).toMatch(/^<svg [^]+<\/svg>$/)
      expect(svg).not.toMatch(/NaN|Infinity|undefined/)
    }
  })

  test('50 classes stay small and readable by their text', () => {
    const classes = Array.from({ length: 50 }, (_, i) => `class ${i}`)
    const svg = confusionChart({
      classes,
      counts: classes.map((_, i) => classes.map((_, j) => (i === j ? 10 : 0))),
    }).toString()
    expect(svg.length).toBeLessThan(40_000)
    expect(svg).toContain('50 classes. Rows predicted right, by class (the six worst)')
  })

  test('an edge that a longer way implies is not drawn', () => {
    const node = (name: string, after: string[]) => ({ name, status: 'success' as const, after })
    const edges = dagChart([node('a', []), node('b', ['a']), node('c', ['a', 'b'])])
      .toString()
      .match(/<path/g)
    expect(edges).toHaveLength(2)
  })
})
