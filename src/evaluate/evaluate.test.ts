import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson } from '../core/json.js'
import { Rng } from '../core/rng.js'
import { MISSING_TIME } from '../core/schema.js'
import type { RecordBatch } from '../core/table.js'
import { calibrate } from './calibration.js'
import { rocCurve, thin, upperHull } from './curves.js'
import { evaluateClassification, evaluateRegression, pointScores, type ClassificationInput } from './evaluate.js'
import { accuracy, noClassWeights, precisionRecall, weighClasses } from './metrics.js'
import { rankRows } from './ranking.js'
import { classificationScorer, decide } from './scorer.js'
import { sliceRows } from './slices.js'
import { chooseThreshold } from './threshold.js'

function answers(labels: readonly number[], positive: readonly number[]) {
  return {
    labels: Int32Array.from(labels),
    probabilities: Float32Array.from(positive.flatMap((p) => [1 - p, p])),
  }
}

const small = answers([0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.2, 0.7])
const input: ClassificationInput = {
  ...small,
  classes: ['no', 'yes'],
  threshold: { value: Math.fround(0.275), rule: 'highest F1 on validation rows' },
  trainingCounts: [30, 10],
  bootstrap: 100,
  seed: 1,
}

function finite(value: unknown, path = ''): void {
  if (typeof value === 'number') expect(Number.isFinite(value), path).toBe(true)
  else if (value !== null && typeof value === 'object')
    for (const [key, inner] of Object.entries(value)) finite(inner, `${path}.${key}`)
}

describe('evaluateClassification', () => {
  it('gives everything for two classes', async () => {
    const document = await evaluateClassification(input)
    expect(Object.keys(document.metrics).sort()).toEqual([
      'accuracy',
      'average_precision',
      'balanced_accuracy',
      'brier',
      'f1',
      'log_loss',
      'precision',
      'recall',
      'roc_auc',
    ])
    expect(document.metrics['roc_auc']!.value).toBeCloseTo(8 / 9, 12)
    expect(document.threshold!.value).toBeCloseTo(0.275, 6)
    expect(document.confusion).toEqual([
      [2, 1],
      [0, 3],
    ])
    expect(document.baseline).toMatchObject({ accuracy: 0.5, roc_auc: 0.5, average_precision: 0.5, recall: 0 })
    expect(document.baseline['log_loss']).toBeCloseTo(-(Math.log(0.25) + Math.log(0.75)) / 2, 12)
    expect(document.task).toEqual({ kind: 'classification', classes: ['no', 'yes'], positive: 'yes' })
    finite(document)
    expect(await evaluateClassification(input)).toEqual(document)
  })

  it('turns round with another positive class', async () => {
    const document = await evaluateClassification({ ...input, positive: 'no', threshold: undefined })
    expect(document.metrics['roc_auc']!.value).toBeCloseTo(8 / 9, 12)
    expect(document.metrics['recall']!.value).toBe(1)
    expect(document.threshold).toEqual({ value: 0.5, rule: 'one half: none was chosen' })
  })

  it('leaves out what one class cannot give, with the reason', async () => {
    for (const label of [0, 1]) {
      const one = answers([label, label], [0.2, 0.7])
      const document = await evaluateClassification({ ...input, ...one })
      expect(document.metrics['roc_auc']).toBeUndefined()
      expect(document.metrics['average_precision']).toBeUndefined()
      expect(document.roc).toEqual([])
      expect(document.notes!.join()).toMatch(
        /ROC-AUC, average precision.* left out: all test rows are of the class "(no|yes)"/,
      )
      expect(document.baseline['roc_auc']).toBeUndefined()
      finite(document)
    }
  })

  it('takes one row', async () => {
    const document = await evaluateClassification({ ...input, ...answers([1], [0.7]) })
    expect(document.metrics['accuracy']!.value).toBe(1)
    finite(document)
  })

  it('scores a threshold that no probability reaches', async () => {
    const document = await evaluateClassification({ ...input, threshold: { value: 2, rule: 'never' } })
    expect(document.confusion).toEqual([
      [3, 0],
      [3, 0],
    ])
    expect(document.threshold).toEqual({ value: 2, rule: 'never' })
    expect(document.notes!.join()).toContain('no row is predicted "yes"')
  })

  it('has the baseline of a constant answer row by row, weighted and for many classes', async () => {
    const rng = new Rng(4)
    const [rows, k] = [60, 4]
    const labels = Int32Array.from({ length: rows }, () => rng.below(k - 1))
    const weights = Float64Array.from({ length: rows }, () => rng.below(4))
    const counts = [5, 3, 1, 1]
    const classes = counts.map((_, c) => `c${c}`)
    const probabilities = Float64Array.from({ length: rows * k }, (_, i) => counts[i % k]! / 10)
    const predicted = new Int32Array(rows)
    const model = classificationScorer({ labels, probabilities, predicted, classes: k, positive: undefined })
    const change = { labels, probabilities, classes, trainingCounts: counts, weights, bootstrap: 0 }
    const { baseline } = await evaluateClassification({ ...input, ...change })
    const expected = pointScores(model, weights)
    expect(Object.keys(baseline).sort()).toEqual(Object.keys(expected).sort())
    for (const [name, value] of Object.entries(expected)) expect(baseline[name], name).toBeCloseTo(value, 12)
  })

  it('gives a thousand classes in seconds, without the scores that would take minutes, and says so', async () => {
    const rng = new Rng(2)
    const [rows, k] = [20_000, 1000]
    const labels = Int32Array.from({ length: rows }, () => rng.below(k))
    const probabilities = new Float32Array(rows * k).fill(0.5 / k)
    for (let i = 0; i < rows; i++) probabilities[i * k + (rng.below(2) === 0 ? labels[i]! : rng.below(k))]! += 0.5
    const before = process.memoryUsage()
    const start = performance.now()
    const document = await evaluateClassification({
      ...{ labels, probabilities, classes: Array.from({ length: k }, (_, c) => `class ${c}`) },
      ...{ trainingCounts: new Array<number>(k).fill(1), bootstrap: 1000, seed: 1, metric: 'roc_auc' },
      slices: {
        rows: { schema: [{ name: 's', type: 'text' }], rows, columns: [Array.from(labels, (c) => `${c % 3}`)] },
        columns: ['s'],
      },
    })
    expect(performance.now() - start).toBeLessThan(10_000)
    const { arrayBuffers } = process.memoryUsage()
    // one sorting a class would be 340 MB more
    expect(arrayBuffers - before.arrayBuffers).toBeLessThan(200e6)
    expect(document.metrics['roc_auc']).toBeUndefined()
    expect(document.baseline['average_precision']).toBeUndefined()
    expect(document.notes!.join()).toMatch(/ROC-AUC, average precision left out: there are 1000 classes/)
    const { value, low, high } = document.metrics['accuracy']!
    expect([value > low, high > value, value > 0.45, value < 0.56]).toEqual([true, true, true, true])
    expect(document.slices.map(({ metric }) => metric)).toEqual(['accuracy', 'accuracy', 'accuracy'])
  }, 30_000)

  it('yields between its steps, also where nothing is resampled, and stops when told', async () => {
    const rng = new Rng(3)
    const rows = 2000
    const labels = Array.from({ length: rows }, () => rng.below(2))
    const many = {
      ...input,
      ...answers(
        labels,
        labels.map(() => rng.uniform()),
      ),
      bootstrap: 0,
    }
    let [turns, done] = [0, false]
    const watch = (): void => void (turns++, done || setImmediate(watch))
    setImmediate(watch)
    await evaluateClassification(many)
    done = true
    expect(turns).toBeGreaterThanOrEqual(8)
    await expect(evaluateClassification({ ...many, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'MR_CANCELLED',
    })
  })

  it('scores many classes, one of them absent', async () => {
    const document = await evaluateClassification({
      ...input,
      classes: ['a', 'b', '__proto__'],
      labels: Int32Array.of(0, 1, 0, 1),
      probabilities: Float32Array.of(0.6, 0.3, 0.1, 0.2, 0.5, 0.3, 0.1, 0.2, 0.7, 0.3, 0.4, 0.3),
      trainingCounts: [2, 1, 1],
    })
    expect(document.threshold).toBeUndefined()
    expect(document.roc).toBeUndefined()
    // no such key rather than an undefined one, which no JSON document holds
    expect(document.task).not.toHaveProperty('positive')
    expect(canonicalJson(document)).toContain('"classes":')
    expect(document.metrics['accuracy']!.value).toBe(0.75)
    expect(document.notes!.join()).toContain('no test row is of the class "__proto__"')
    finite(document)
  })

  it('restores prevalence by weights', async () => {
    const weights = Float64Array.from(small.labels, (label) => (label === 0 ? 9 : 1))
    const document = await evaluateClassification({ ...input, weights, weightsDescription: 'no 9, yes 1' })
    expect(document.confusion![0]).toEqual([18, 9])
    expect(document.weights).toBe('no 9, yes 1')
    expect(document.baseline['average_precision']).toBeCloseTo(0.1, 12)
  })

  it('refuses what cannot be scored', async () => {
    const code = async (change: Partial<ClassificationInput>) =>
      evaluateClassification({ ...input, ...change }).then(
        () => 'none',
        (error: { code: string }) => error.code,
      )
    expect(await code(answers([], []))).toBe('MR_EVALUATION_EMPTY')
    expect(await code({ labels: Int32Array.of(0, 1) })).toBe('MR_EVALUATION_INPUT')
    expect(await code({ labels: Int32Array.of(0, 0, 1, 1, 0, 2) })).toBe('MR_EVALUATION_INPUT')
    expect(await code({ probabilities: small.probabilities.map(() => NaN) })).toBe('MR_EVALUATION_NOT_FINITE')
    expect(await code({ probabilities: small.probabilities.map(() => 7) })).toBe('MR_EVALUATION_INPUT')
    expect(await code({ weights: new Float64Array(6) })).toBe('MR_EVALUATION_INPUT')
    expect(await code({ weights: new Float64Array(6).fill(NaN) })).toBe('MR_EVALUATION_INPUT')
    expect(await code({ metric: 'roc-auc' })).toBe('MR_GATE_METRIC')
  })

  it('gives slices, wide where there are few rows', async () => {
    const rng = new Rng(1)
    const rows = 400
    const labels = Array.from({ length: rows }, () => rng.below(2))
    const many = answers(
      labels,
      labels.map((label) => Math.min(0.999, Math.max(0.001, 0.3 + 0.3 * label + 0.2 * rng.normal()))),
    )
    const plan: RecordBatch = {
      schema: [{ name: "pl'an 🙂", type: 'text' }],
      rows,
      columns: [labels.map((_, i) => (i < 3 ? 'rare' : i % 2 === 0 ? 'a' : ''))],
    }
    const document = await evaluateClassification({
      ...input,
      ...many,
      slices: { rows: plan, columns: ["pl'an 🙂"] },
    })
    expect(document.slices.map((slice) => slice.value)).toEqual(['(missing)', 'a', 'rare'])
    expect(document.slices[0]!.rows).toBe(199)
    const width = (i: number) => document.slices[i]!.score.high - document.slices[i]!.score.low
    expect(width(2)).toBeGreaterThan(3 * width(0))
    finite(document)
  })
})

describe('evaluateRegression', () => {
  it('scores, and leaves out R² of a constant', async () => {
    const common = { trainingMean: 2, bootstrap: 50, seed: 1 }
    const document = await evaluateRegression({
      ...common,
      actual: Float64Array.of(1, 2, 3),
      predicted: Float32Array.of(1, 2, 4),
    })
    expect(document.metrics['mae']!.value).toBeCloseTo(1 / 3, 12)
    expect(document.baseline['r2']).toBe(0)
    expect(document.scatter).toHaveLength(3)
    const constant = await evaluateRegression({
      ...common,
      actual: Float64Array.of(0.1, 0.1, 0.1),
      predicted: Float32Array.of(1, 2, 4),
    })
    expect(constant.metrics['r2']).toBeUndefined()
    expect(constant.notes!.join()).toContain('R²')
    finite([document, constant])
  })

  it('samples 500 points of many', async () => {
    const actual = Float64Array.from({ length: 5000 }, (_, i) => i)
    const document = await evaluateRegression({ actual, predicted: actual, trainingMean: 0, bootstrap: 10, seed: 1 })
    expect(document.scatter).toHaveLength(500)
    expect(document.scatter![499]!.actual).toBeGreaterThan(4500)
  })
})

describe('threshold', () => {
  const cases = fc.array(fc.record({ score: fc.integer({ min: 0, max: 12 }), yes: fc.boolean() }), {
    minLength: 2,
    maxLength: 40,
  })
  it('is as good as the best of all cuts, and decides alike in 32 bits', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom('f1' as const, 'accuracy' as const), (sample, rule) => {
        fc.pre(sample.some((row) => row.yes) && sample.some((row) => !row.yes))
        const { labels, probabilities } = answers(
          sample.map((row) => Number(row.yes)),
          sample.map((row) => row.score / 12),
        )
        const scores = probabilities.filter((_, i) => i % 2 === 1)
        const at = (threshold: number) => {
          const weights = weighClasses(labels, decide(probabilities, 2, 1, threshold), undefined, noClassWeights(2))
          return rule === 'f1' ? precisionRecall(weights, 1).f1 : accuracy(weights)
        }
        const { value } = chooseThreshold(
          rule,
          rankRows(scores, (row) => sample[row]!.yes),
        )
        expect(Math.fround(value)).toBe(value)
        expect(at(value)).toBeCloseTo(Math.max(...[2, ...scores].map(at)), 12)
      }),
    )
  })

  it('cannot be chosen on rows of one class, on none, or by what is no number', () => {
    const rule = (scores: number[]) =>
      chooseThreshold(
        'f1',
        rankRows(Float32Array.from(scores), () => true),
      )
    expect(rule([0.7])).toMatchObject({ value: 0.5, rule: expect.stringMatching(/one class/) as string })
    expect(rule([])).toMatchObject({ value: 0.5, rule: expect.stringMatching(/no validation rows/) as string })
    expect(() => rule([0.7, NaN])).toThrow(expect.objectContaining({ code: 'MR_EVALUATION_NOT_FINITE' }))
  })

  it('is 2, never, where even the rows of probability 1 are negative', () => {
    const never = chooseThreshold(
      'accuracy',
      rankRows(Float32Array.of(1, 1, 0.2), (row) => row === 2),
    )
    expect(never).toMatchObject({ value: 2, rule: expect.stringContaining('no row is positive') as string })
  })

  it('takes the cut nearest 0.5 of equally good ones', () => {
    const scores = Float32Array.of(0.1, 0.2, 0.6, 0.9)
    const ranking = rankRows(scores, (row) => row >= 2)
    expect(chooseThreshold('accuracy', ranking).value).toBeCloseTo(0.4, 6)
    expect(chooseThreshold('balanced_accuracy', ranking, Float64Array.of(1, 1, 1, 1)).value).toBeCloseTo(0.4, 6)
  })
})

describe('costs', () => {
  const costs = { false_positive: 1, false_negative: 4, true_positive: 0.5, true_negative: 0 }

  it('the threshold has the least mean cost of all cuts', () => {
    const sample = fc.array(fc.record({ score: fc.integer({ min: 0, max: 20 }), yes: fc.boolean() }), { minLength: 2 })
    fc.assert(
      fc.property(sample, (rows) => {
        fc.pre(rows.some(({ yes }) => yes) && rows.some(({ yes }) => !yes))
        const scores = Float32Array.from(rows, ({ score }) => score / 20)
        const at = (cut: number) =>
          rows.reduce((sum, { yes }, i) => {
            const called = scores[i]! >= cut
            return sum + (called ? (yes ? 0.5 : 1) : yes ? 4 : 0)
          }, 0) / rows.length
        const ranking = rankRows(scores, (row) => rows[row]!.yes)
        const { value } = chooseThreshold({ cost: costs }, ranking)
        expect(at(value)).toBeCloseTo(Math.min(...[2, ...scores].map(at)), 10)
      }),
    )
  })

  it('are a score with interval, baseline and curve; the gate can ask for it', async () => {
    const document = await evaluateClassification({ ...input, costs, metric: 'cost' })
    // 3 found, 1 called wrongly, none missed
    expect(document.metrics['cost']!.value).toBeCloseTo((3 * 0.5 + 1) / 6, 12)
    expect(document.metrics['cost']!.low).toBeLessThan(document.metrics['cost']!.high)
    expect(document.costs).toMatchObject({ none: 2, all: 0.75 })
    expect(document.baseline['cost']).toBe(0.75)
    expect(document.costs!.curve.map(({ cost }) => cost)).toContain(document.metrics['cost']!.value)
    expect((await evaluateClassification(input)).metrics['cost']).toBeUndefined()
  })
})

describe('calibration', () => {
  it('figures before and after are given, and that isotonic loses order', async () => {
    const before = small.probabilities
    const probabilities = Float32Array.from([0.9, 0.4, 0.4, 0.4, 0.9, 0.4].flatMap((no) => [no, 1 - no]))
    const calibrated = { method: 'isotonic', detail: 'isotonic regression with 2 knots', before }
    const document = await evaluateClassification({ ...input, probabilities, calibrated })
    expect(document.calibrated!.brierBefore).toBeCloseTo(
      (await evaluateClassification(input)).metrics['brier']!.value,
      12,
    )
    expect(document.calibrated!.rocAucBefore).toBeCloseTo(8 / 9, 12)
    expect(document.notes!.join()).toMatch(/ROC-AUC was 0.8889 before/)
  })

  it('has equal bins, ties together, and is 0 for a model that tells the truth', () => {
    const scores = Float64Array.from({ length: 1000 }, (_, i) => (i < 500 ? 0.2 : 0.8))
    const perfect = calibrate(rankRows(scores, (i) => (i < 500 ? i % 5 === 0 : i % 5 !== 0)))
    expect(perfect.bins).toHaveLength(2)
    expect(perfect.ece).toBeCloseTo(0, 12)
    expect(perfect.brier).toBeCloseTo(0.16, 12)
    const rising = Float64Array.from({ length: 1003 }, (_, i) => i / 1003)
    const { bins } = calibrate(rankRows(rising, () => true))
    expect(bins.map((bin) => bin.count).every((count) => count === 100 || count === 101)).toBe(true)
    expect(bins).toHaveLength(10)
    expect(bins.reduce((sum, bin) => sum + bin.count, 0)).toBe(1003)
  })
})

describe('curves', () => {
  it('thins to 200 points and keeps every corner of the hull and nearly the whole line', () => {
    const rng = new Rng(9)
    const rows = 20_000
    const positive = Uint8Array.from({ length: rows }, () => rng.below(2))
    const scores = Float32Array.from(positive, (yes) => rng.normal() + yes)
    const ranking = rankRows(scores, (row) => positive[row] === 1)
    const all = rocCurve(ranking, undefined, Infinity)
    const roc = rocCurve(ranking)
    expect(roc.length).toBeLessThanOrEqual(200)
    expect(all.length).toBeGreaterThan(5000)
    expect(roc[0]).toMatchObject({ fpr: 0, tpr: 0 })
    expect(roc.at(-1)).toMatchObject({ fpr: 1, tpr: 1 })
    const corners = upperHull(
      Float64Array.from(all, (p) => p.fpr),
      Float64Array.from(all, (p) => p.tpr),
    ).map((i) => all[i]!)
    expect(corners.length).toBeGreaterThan(20)
    for (const corner of corners) expect(roc).toContainEqual(corner)
    const area = (curve: typeof roc) =>
      curve.slice(1).reduce((sum, p, i) => sum + ((p.tpr + curve[i]!.tpr) / 2) * (p.fpr - curve[i]!.fpr), 0)
    expect(Math.abs(area(roc) - area(all))).toBeLessThan(0.002)
  })

  it('keeps within the limit even where all points are corners', () => {
    const x = Float64Array.from({ length: 1001 }, (_, i) => i / 1000)
    const y = x.map((value) => Math.sqrt(1 - (1 - value) ** 2))
    const kept = thin(x, y, 200)
    expect(kept).toHaveLength(200)
    expect([kept[0], kept.at(-1)]).toEqual([0, 1000])
  })
})

describe('sliceRows', () => {
  const batch = (type: 'number' | 'boolean' | 'timestamp' | 'text', column: RecordBatch['columns'][number]) => ({
    schema: [{ name: 'c', type }],
    rows: column.length,
    columns: [column],
  })
  const values = (rows: RecordBatch) => sliceRows(rows, ['c']).map((slice) => [slice.value, slice.rows.length])

  it('takes few numbers as they are, many by quartile', () => {
    expect(values(batch('number', Float64Array.of(10, 9, 10, NaN)))).toEqual([
      ['9', 1],
      ['10', 2],
      ['(missing)', 1],
    ])
    expect(
      values(
        batch(
          'number',
          Float64Array.from({ length: 100 }, (_, i) => i),
        ),
      ),
    ).toEqual([
      ['under 25', 25],
      ['25 to under 50', 25],
      ['50 to under 75', 25],
      ['75 or more', 25],
    ])
    expect(values(batch('number', new Float64Array(5)))).toEqual([['0', 5]])
    expect(values(batch('number', new Float64Array(3).fill(NaN)))).toEqual([['(missing)', 3]])
  })

  it('names booleans and times', () => {
    expect(values(batch('boolean', Float64Array.of(1, 0, 1, NaN)))).toEqual([
      ['true', 2],
      ['(missing)', 1],
      ['false', 1],
    ])
    const day = 86_400_000_000n
    const times = BigInt64Array.from([MISSING_TIME, ...Array.from({ length: 8 }, (_, i) => BigInt(i) * day)])
    expect(values(batch('timestamp', times))[0]).toEqual(['under 1970-01-03', 2])
  })

  it('gives at most 20 values, the rest together', () => {
    const text = Array.from({ length: 300 }, (_, i) => (i < 30 ? `v${i}` : i < 60 ? `v${i - 30}` : 'common'))
    const slices = values(batch('text', text))
    expect(slices).toHaveLength(20)
    expect(slices[0]).toEqual(['common', 240])
    expect(slices[19]![0]).toBe('(other: 12 values)')
    expect(slices.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(300)
  })

  it('names the nearest column', () => {
    expect(() =>
      sliceRows({ schema: [{ name: 'Contract', type: 'text' }], rows: 0, columns: [[]] }, ['contract']),
    ).toThrow(/"contract"/)
  })
})
