import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { precisionRecallCurve, rocCurve } from './curves.js'
import { averagePrecision, confusionMatrix, regressionScores, rocAuc } from './metrics.js'
import { fallingOrder, rankRows } from './ranking.js'
import { classColumn, classificationScorer, decide, regressionScorer } from './scorer.js'

interface Case {
  readonly name: string
  readonly classes: number
  readonly labels: number[]
  readonly probabilities: number[]
  readonly weights: number[] | null
  readonly threshold?: number
  readonly metrics: Record<string, number | null>
  readonly confusion: number[]
  readonly roc?: { fpr: number[]; tpr: number[] }
  readonly pr?: { precision: number[]; recall: number[] }
}
interface RegressionCase {
  readonly name: string
  readonly actual: number[]
  readonly predicted: number[]
  readonly weights: number[] | null
  readonly metrics: Record<string, number>
}
const recorded = JSON.parse(
  readFileSync(new URL('../../test/golden/sklearn/metrics.json', import.meta.url), 'utf8'),
) as { binary: Case[]; many: Case[]; regression: RegressionCase[] }

function near(actual: number, expected: number, what: string): void {
  expect(
    Math.abs(actual - expected) / Math.max(1, Math.abs(expected)),
    `${what}: ${actual} and ${expected}`,
  ).toBeLessThan(1e-12)
}

describe("scikit-learn's recorded values", () => {
  for (const one of [...recorded.binary, ...recorded.many])
    it(one.name, () => {
      const labels = Int32Array.from(one.labels)
      const probabilities = Float64Array.from(one.probabilities)
      const weights = one.weights === null ? undefined : Float64Array.from(one.weights)
      const positive = one.classes === 2 ? 1 : undefined
      const predicted = decide(probabilities, one.classes, positive, one.threshold)
      const scorer = classificationScorer({ labels, probabilities, predicted, classes: one.classes, positive })
      const out = new Float64Array(scorer.names.length)
      scorer.score(weights ?? new Float64Array(labels.length).fill(1), out)
      expect(Object.keys(one.metrics).length).toBeGreaterThan(4)
      for (const [name, expected] of Object.entries(one.metrics))
        near(out[scorer.names.indexOf(name)]!, expected!, name)
      confusionMatrix(labels, predicted, one.classes, weights).forEach((count, i) =>
        near(count, one.confusion[i]!, `confusion ${i}`),
      )
    })

  for (const one of recorded.regression)
    it(`regression: ${one.name}`, () => {
      const scorer = regressionScorer(Float64Array.from(one.actual), Float64Array.from(one.predicted))
      const out = new Float64Array(3)
      scorer.score(Float64Array.from(one.weights ?? one.actual.map(() => 1)), out)
      for (const [name, expected] of Object.entries(one.metrics)) near(out[scorer.names.indexOf(name)]!, expected, name)
      expect(Number.isNaN(out[scorer.names.indexOf('r2')]!)).toBe(one.metrics['r2'] === undefined)
    })

  for (const one of recorded.binary.filter((binary) => binary.roc!.fpr.length > 0))
    it(`curves: ${one.name}`, () => {
      const ranking = rankRows(classColumn(Float64Array.from(one.probabilities), 2, 1), (row) => one.labels[row] === 1)
      const weights = one.weights === null ? undefined : Float64Array.from(one.weights)
      const roc = rocCurve(ranking, weights, Infinity)
      // Points on a straight line are dropped: every recorded point must lie on the line drawn through ours.
      one.roc!.fpr.forEach((fpr, i) =>
        onLine(
          roc.map((p) => [p.fpr, p.tpr]),
          fpr,
          one.roc!.tpr[i]!,
        ),
      )
      for (const p of roc) expect(distance(one.roc!.fpr, one.roc!.tpr, p.fpr, p.tpr)).toBeLessThan(1e-12)
      const pr = precisionRecallCurve(ranking, weights, Infinity)
      one.pr!.recall.forEach((recall, i) =>
        onLine(
          pr.map((p) => [p.recall, p.precision]),
          recall,
          one.pr!.precision[i]!,
        ),
      )
      for (const p of pr) expect(distance(one.pr!.recall, one.pr!.precision, p.recall, p.precision)).toBeLessThan(1e-12)
    })
})

function distance(xs: number[], ys: number[], x: number, y: number): number {
  return Math.min(...xs.map((other, i) => Math.hypot(other - x, ys[i]! - y)))
}

function onLine(line: [number, number][], x: number, y: number): void {
  const gap = line.slice(1).map(([bx, by], i) => {
    const [ax, ay] = line[i]!
    const length = (bx - ax) ** 2 + (by - ay) ** 2
    const t = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length))
    return Math.hypot(ax + t * (bx - ax) - x, ay + t * (by - ay) - y)
  })
  expect(Math.min(...gap), `(${x}, ${y}) is off the curve`).toBeLessThan(1e-8)
}

const rows = fc.array(
  fc.record({
    score: fc.double({ min: 0, max: 1, noNaN: true }),
    yes: fc.boolean(),
    weight: fc.integer({ min: 0, max: 3 }),
  }),
  { minLength: 1, maxLength: 60 },
)

describe('properties', () => {
  it('sorts doubles as the language does, whatever their sign and size', () => {
    const wide = fc.array(
      fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(0, -0, 1, -1, Infinity, -Infinity, 5e-324)),
    )
    fc.assert(
      fc.property(wide, (values) => {
        const order = [...fallingOrder(Float64Array.from(values))]
        expect(order).toEqual(values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b || 0))
      }),
      { examples: [[[0, -0, 0]], [[]], [[1e300, -1e300]]] },
    )
  })

  it('ROC-AUC is the share of ordered pairs, and only the order of scores matters', () => {
    fc.assert(
      fc.property(rows, (sample) => {
        const scores = Float64Array.from(sample, (row) => Math.round(row.score * 20) / 20)
        const yes = (row: number) => sample[row]!.yes
        let [pairs, won] = [0, 0]
        sample.forEach((a, i) => {
          sample.forEach((b, j) => {
            if (!a.yes || b.yes) return
            pairs++
            won += scores[i]! > scores[j]! ? 1 : scores[i]! === scores[j]! ? 0.5 : 0
          })
        })
        const auc = rocAuc(rankRows(scores, yes))
        if (pairs === 0) {
          expect(auc).toBeNaN()
          return
        }
        near(auc, won / pairs, 'pairs')
        expect(
          rocAuc(
            rankRows(
              scores.map((s) => Math.exp(3 * s) - 7),
              yes,
            ),
          ),
        ).toBe(auc)
        near(
          rocAuc(
            rankRows(
              scores.map((s) => -s),
              yes,
            ),
          ),
          1 - auc,
          'reversed',
        )
      }),
    )
  })

  it('a weight equals repetition', () => {
    fc.assert(
      fc.property(rows, (sample) => {
        const repeated = sample.flatMap((row) => Array.from({ length: row.weight }, () => row))
        if (repeated.length === 0) return
        const all = (some: typeof sample, weights: Float64Array) => {
          const labels = Int32Array.from(some, (row) => Number(row.yes))
          const probabilities = Float64Array.from(some.flatMap((row) => [1 - row.score, row.score]))
          const model = { labels, probabilities, predicted: decide(probabilities, 2, 1), classes: 2, positive: 1 }
          const out = new Float64Array(9)
          classificationScorer(model).score(weights, out)
          return out
        }
        const weighted = all(
          sample,
          Float64Array.from(sample, (row) => row.weight),
        )
        all(repeated, new Float64Array(repeated.length).fill(1)).forEach((value, m) => {
          if (Number.isNaN(value)) expect(weighted[m]).toBeNaN()
          else near(weighted[m]!, value, `metric ${m}`)
        })
        const regression = (some: typeof sample, weights?: Float64Array) =>
          regressionScores(
            Float64Array.from(some, (row) => Number(row.yes)),
            Float64Array.from(some, (row) => row.score),
            weights,
          )
        near(
          regression(
            sample,
            Float64Array.from(sample, (row) => row.weight),
          ).rmse,
          regression(repeated).rmse,
          'rmse',
        )
      }),
    )
  })

  it('average precision of a constant score is the share of positives', () => {
    fc.assert(
      fc.property(rows, (sample) => {
        const share = sample.filter((row) => row.yes).length / sample.length
        const value = averagePrecision(rankRows(new Float64Array(sample.length).fill(0.3), (row) => sample[row]!.yes))
        if (share === 0) expect(value).toBeNaN()
        else near(value, share, 'share')
      }),
    )
  })
})
