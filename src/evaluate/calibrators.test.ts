import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyIsotonic, fitIsotonic, fitTemperature, isotonicCurve } from './calibrators.js'
import { logLosses, mean, rocAuc } from './metrics.js'
import { rankRows } from './ranking.js'

interface Recorded {
  readonly binary: readonly {
    readonly name: string
    readonly scores: readonly number[]
    readonly labels: readonly number[]
    readonly weights: readonly number[] | null
    readonly at: readonly number[]
    readonly predicted: readonly number[]
    readonly knots: number
  }[]
  readonly many: Readonly<Record<'probabilities' | 'labels' | 'weights' | 'predicted', readonly number[]>>
  readonly temperature: readonly {
    readonly name: string
    readonly logits: readonly number[]
    readonly classes: number
    readonly labels: readonly number[]
    readonly weights: readonly number[] | null
    readonly sharpness: number
  }[]
}
const recorded = JSON.parse(
  readFileSync(new URL('../../test/golden/sklearn/calibration.json', import.meta.url), 'utf8'),
) as Recorded
const weightsOf = (weights: readonly number[] | null) => (weights === null ? undefined : Float64Array.from(weights))

/** Two columns, the positive second. */
const pairs = (positive: readonly number[]) => Float32Array.from(positive.flatMap((p) => [1 - p, p]))

describe("scikit-learn's recorded calibrators", () => {
  for (const one of recorded.binary)
    it(`isotonic: ${one.name}`, () => {
      const labels = Int32Array.from(one.labels)
      const curve = isotonicCurve(Float32Array.from(one.scores), (row) => labels[row] === 1, weightsOf(one.weights))!
      expect(curve.x.length).toBe(one.knots)
      const { probabilities } = applyIsotonic({ kind: 'isotonic', curves: [undefined, curve] }, pairs(one.at))
      one.predicted.forEach((p, i) => expect(Math.abs(probabilities[2 * i + 1]! - p)).toBeLessThan(1.3e-7))
      for (let i = 0; i < one.at.length; i++)
        expect(probabilities[2 * i]).toBe(Math.fround(1 - probabilities[2 * i + 1]!))
    })

  it('isotonic: three classes against the rest, normalised, weighted', () => {
    const { probabilities, labels, weights, predicted } = recorded.many
    const before = Float32Array.from(probabilities)
    const rows = { labels: Int32Array.from(labels), classes: 3, positive: undefined, weights: weightsOf(weights) }
    const { calibrator } = fitIsotonic(before, rows)
    if (calibrator?.kind !== 'isotonic') throw new Error('no calibrator')
    const after = applyIsotonic(calibrator, before).probabilities
    predicted.forEach((p, i) => expect(Math.abs(after[i]! - p)).toBeLessThan(1.3e-7))
  })

  for (const one of recorded.temperature)
    it(`temperature: ${one.name}`, async () => {
      const { classes } = one
      const rows = {
        labels: Int32Array.from(one.labels),
        classes,
        positive: undefined,
        weights: weightsOf(one.weights),
      }
      const { calibrator } = await fitTemperature(Float32Array.from(one.logits), rows)
      if (calibrator?.kind !== 'temperature') throw new Error('no calibrator')
      // its search stops at a tolerance of about 1e-4; ours goes on to the minimum
      expect(calibrator.temperature * one.sharpness).toBeCloseTo(1, 3)
      const loss = (sharpness: number) => {
        const p = Float64Array.from(one.logits, (_, i) => {
          const row = one.logits.slice(i - (i % classes), i - (i % classes) + classes)
          return Math.exp(sharpness * one.logits[i]!) / row.reduce((sum, z) => sum + Math.exp(sharpness * z), 0)
        })
        return mean(logLosses(rows.labels, p, classes), rows.weights)
      }
      const least = loss(1 / calibrator.temperature)
      for (const other of [one.sharpness, 0.99 / calibrator.temperature, 1.01 / calibrator.temperature])
        expect(least).toBeLessThanOrEqual(loss(other) + 1e-12)
    })
})

describe('what cannot be calibrated', () => {
  const rows = (labels: number[]) => ({ labels: Int32Array.from(labels), classes: 2, positive: 1 })

  it('is left as it is, with the reason', async () => {
    for (const [labels, why] of [
      [[1, 1, 1], /one class only/],
      [[], /no validation rows/],
    ] as const)
      for (const fit of [
        await fitTemperature(new Float32Array(2 * labels.length), rows([...labels])),
        fitIsotonic(new Float32Array(2 * labels.length), rows([...labels])),
      ]) {
        expect(fit.calibrator).toBeUndefined()
        expect(fit.warnings[0]).toMatch(why)
      }
    const weights = Float64Array.of(1, 0)
    expect(fitIsotonic(pairs([0.2, 0.7]), { ...rows([0, 1]), weights }).calibrator).toBeUndefined()
    const flat = await fitTemperature(Float32Array.of(1, 1, 2, 2), rows([0, 1]))
    expect(flat.warnings[0]).toMatch(/no temperature changes anything/)
    const sure = await fitTemperature(Float32Array.of(2, -2, -3, 3), rows([0, 1]))
    expect(sure.warnings[0]).toMatch(/without a fault/)
  })

  it('a model that is wrong throughout is flattened as far as it goes, and said', async () => {
    const fit = await fitTemperature(Float32Array.of(2, -2, -3, 3), rows([1, 0]))
    expect(fit.calibrator).toEqual({ kind: 'temperature', temperature: 20 })
    expect(fit.warnings[0]).toMatch(/next to nothing/)
  })

  it('warns of few rows; equal scores get the share of positives', () => {
    const fit = fitIsotonic(pairs([0.4, 0.4, 0.4, 0.4]), rows([0, 1, 0, 0]))
    expect(fit.warnings[0]).toMatch(/rests on 4 validation rows/)
    if (fit.calibrator?.kind !== 'isotonic') throw new Error('no calibrator')
    expect([...applyIsotonic(fit.calibrator, pairs([0, 0.4, 1])).probabilities]).toEqual([
      0.75, 0.25, 0.75, 0.25, 0.75, 0.25,
    ])
  })

  it('a class without validation rows keeps its probability', () => {
    const p = Float32Array.of(0.6, 0.3, 0.1, 0.2, 0.7, 0.1, 0.5, 0.2, 0.3)
    const fit = fitIsotonic(p, { labels: Int32Array.of(0, 1, 0), classes: 3, positive: undefined })
    expect(fit.warnings.at(-1)).toMatch(/1 of 3 classes/)
    if (fit.calibrator?.kind !== 'isotonic') throw new Error('no calibrator')
    const after = applyIsotonic(fit.calibrator, p).probabilities
    for (let row = 0; row < 3; row++)
      expect(after[3 * row]! + after[3 * row + 1]! + after[3 * row + 2]!).toBeCloseTo(1, 6)
  })
})

it('isotonic: rises, stays off 0 and 1, and never turns an order round', () => {
  const sample = fc.array(fc.tuple(fc.float({ min: 0, max: 1, noNaN: true }), fc.boolean()), {
    minLength: 2,
    maxLength: 60,
  })
  fc.assert(
    fc.property(sample, (drawn) => {
      const labels = Int32Array.from(drawn, ([, yes]) => Number(yes))
      const before = pairs(drawn.map(([p]) => p))
      const { calibrator } = fitIsotonic(before, { labels, classes: 2, positive: 1 })
      if (calibrator?.kind !== 'isotonic') return
      const { probabilities, slack } = applyIsotonic(calibrator, before, 1e-6)
      const least = 1 / (2 * (drawn.length + 1))
      const order = drawn.map((_, i) => i).sort((a, b) => before[2 * a + 1]! - before[2 * b + 1]!)
      order.forEach((row, i) => {
        const p = probabilities[2 * row + 1]!
        expect(p).toBeGreaterThanOrEqual(Math.fround(least))
        expect(p).toBeLessThanOrEqual(Math.fround(1 - least))
        expect(slack[2 * row]).toBeGreaterThanOrEqual(0)
        if (i > 0) expect(p).toBeGreaterThanOrEqual(probabilities[2 * order[i - 1]! + 1]!)
      })
      // on the rows of the fit ties can only help: what is pooled was in the wrong order
      const area = (values: Float32Array) =>
        rocAuc(
          rankRows(
            values.filter((_, i) => i % 2 === 1),
            (row) => labels[row] === 1,
          ),
        )
      expect(area(probabilities)).toBeGreaterThanOrEqual(area(before) - 1e-12)
    }),
  )
})
