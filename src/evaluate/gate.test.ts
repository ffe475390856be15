import { describe, expect, it } from 'vitest'
import { decideGate, gateMetric } from './gate.js'

const score = (value: number, half = 0.01) => ({ value, low: value - half, high: value + half })
const two = { kind: 'classification', classes: ['no', 'yes'], positive: 'yes' } as const

describe('gateMetric', () => {
  it('fits the task', () => {
    expect(gateMetric(undefined, two, 0.3)).toBe('roc_auc')
    expect(gateMetric(undefined, two, 0.002)).toBe('average_precision')
    expect(gateMetric(undefined, { ...two, classes: ['a', 'b', 'c'] })).toBe('accuracy')
    expect(gateMetric(undefined, { kind: 'regression' })).toBe('rmse')
    expect(gateMetric('log_loss', two, 0.3)).toBe('log_loss')
  })

  it('names the nearest metric', () => {
    expect(() => gateMetric('rocauc', two)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('roc_auc?') as string }),
    )
    expect(() => gateMetric('rmse', two)).toThrow(/classification has no such metric/)
    expect(() => gateMetric('__proto__', two)).toThrow(/no such metric/)
  })
})

describe('decideGate', () => {
  it('passes without limits, and says so', () => {
    const gate = decideGate({ metric: 'roc_auc', candidate: score(0.8) })
    expect(gate).toMatchObject({ passed: true, metric: 'roc_auc', value: 0.8 })
    expect(gate.reasons[0]).toMatch(/no minimum/)
  })

  it('holds the minimum, a maximum for losses', () => {
    expect(decideGate({ metric: 'roc_auc', candidate: score(0.8), minimum: 0.8 }).passed).toBe(true)
    expect(decideGate({ metric: 'roc_auc', candidate: score(0.79), minimum: 0.8 }).reasons).toEqual([
      'ROC-AUC 0.79 (95 % interval 0.78 to 0.8) is below the minimum 0.8',
    ])
    expect(decideGate({ metric: 'rmse', candidate: score(5), minimum: 6 }).passed).toBe(true)
    expect(decideGate({ metric: 'rmse', candidate: score(7), minimum: 6 }).passed).toBe(false)
    expect(decideGate({ metric: 'roc_auc', candidate: score(0.805), minimum: 0.8 }).reasons).toHaveLength(2)
  })

  it('refuses a model that is worse than the champion beyond noise', () => {
    const against = (metric: string, low: number, high: number) =>
      decideGate({
        metric,
        candidate: score(0.8),
        champion: { version: 3, value: 0.81, difference: { value: (low + high) / 2, low, high } },
      })
    expect(against('roc_auc', -0.03, -0.01).passed).toBe(false)
    expect(against('roc_auc', -0.03, 0.01).passed).toBe(true)
    expect(against('roc_auc', 0.01, 0.02).reasons[0]).toMatch(/is better than the champion, version 3/)
    expect(against('log_loss', 0.01, 0.02).passed).toBe(false)
    expect(against('log_loss', -0.02, -0.01).passed).toBe(true)
    expect(against('log_loss', -0.02, 0.01).reasons[0]).toMatch(/not told apart from/)
  })

  it('compares plainly without a paired difference', () => {
    const champion = { version: 1, value: 0.8 }
    expect(decideGate({ metric: 'roc_auc', candidate: score(0.8), champion }).passed).toBe(true)
    expect(decideGate({ metric: 'roc_auc', candidate: score(0.79), champion }).passed).toBe(false)
    expect(decideGate({ metric: 'rmse', candidate: score(0.79), champion }).passed).toBe(true)
  })

  it('does not pass what could not be measured, and warns of a constant answer', () => {
    expect(decideGate({ metric: 'roc_auc', candidate: undefined, minimum: 0.5 })).toMatchObject({
      passed: false,
      reasons: ['the test rows cannot give ROC-AUC'],
    })
    const gate = decideGate({ metric: 'accuracy', candidate: score(0.7), baseline: 0.73 })
    expect(gate.reasons.at(-1)).toMatch(/constant answer/)
  })
})
