import { describe, expect, it } from 'vitest'
import type { ColumnType } from '../core/schema.js'
import { type ColumnSpec, dropsMissing, parseSteps } from './steps.js'
import type { StepSpec } from './transform.js'

const chain = (type: ColumnType, steps?: readonly StepSpec[]): readonly string[] => {
  const spec: ColumnSpec = steps === undefined ? { name: 'x', type } : { name: 'x', type, steps }
  return parseSteps(spec, { maxCategories: 20 }).map(({ transform, added }) => `${transform.name}${added ? '+' : ''}`)
}

describe('parseSteps', () => {
  it.each([
    ['number', ['impute', 'standard']],
    ['integer', ['impute', 'standard']],
    ['boolean', ['impute']],
    ['text', ['one_hot']],
    ['timestamp', ['date_parts', 'impute', 'standard']],
    ['date', ['date_parts', 'impute', 'standard']],
  ] as const)('gives a %s column its defaults', (type, expected) => {
    expect(chain(type)).toEqual(expected)
  })

  it.each([
    ['number', [], ['impute+']],
    ['number', ['standard'], ['standard', 'impute+']],
    ['number', [{ clip: [0, 1] }, { impute: 'mean' }], ['clip', 'impute']],
    ['boolean', [], ['impute+']],
    ['boolean', ['one_hot'], ['as_text+', 'one_hot']],
    ['integer', ['index'], ['as_text+', 'index']],
    ['text', [], ['one_hot+']],
    ['text', [{ impute: 'mode' }], ['impute', 'one_hot+']],
    ['timestamp', [], ['date_parts+', 'impute+']],
    ['date', [{ date_parts: ['day'] }, 'min_max'], ['date_parts', 'min_max', 'impute+']],
    ['number', [{ standard: null }], ['standard', 'impute+']],
  ] as const)('completes a %s column with %j', (type, steps, expected) => {
    expect(chain(type, steps as readonly StepSpec[])).toEqual(expected)
  })

  it('imputes a boolean of its own accord by the mode', () => {
    const [step] = parseSteps({ name: 'x', type: 'boolean', steps: [] }, { maxCategories: 20 })
    expect(step?.options).toMatchObject({ strategy: 'mode' })
  })

  it.each([
    [
      'number',
      ['standrad'],
      'MR_TRANSFORM_UNKNOWN',
      /column "x": there is no step "standrad"; there are impute, standard/,
    ],
    ['number', ['one_hot'], 'MR_TRANSFORM_KIND', /column "x", step one_hot: takes text, but the column is number/],
    ['text', ['standard'], 'MR_TRANSFORM_KIND', /takes number, integer, boolean, but the column is text/],
    ['text', ['one_hot', 'standard'], 'MR_TRANSFORM_KIND', /but one_hot gives category/],
    ['integer', [{ impute: 'mode' }, 'index'], 'MR_TRANSFORM_KIND', /but impute gives number/],
    ['number', ['date_parts'], 'MR_TRANSFORM_KIND', /takes timestamp, date/],
    ['number', [{ clip: [3, 1] }], 'MR_TRANSFORM_OPTIONS', /column "x", step clip: low must not be above high/],
    ['number', [{ impute: 'mean', standard: null }], 'MR_TRANSFORM_OPTIONS', /a map of one name to its options/],
    ['number', [{}], 'MR_TRANSFORM_OPTIONS', /a map of one name to its options, not {}/],
    ['number', [{ standard: { mean: 3 } }], 'MR_TRANSFORM_OPTIONS', /unknown option "mean"; it takes none/],
    ['number', [{ __proto__: null, toString: 1 }], 'MR_TRANSFORM_UNKNOWN', /there is no step "toString"/],
  ] as const)('refuses on a %s column %j', (type, steps, code, message) => {
    const parse = (): unknown => chain(type, steps)
    expect(parse).toThrow(expect.objectContaining({ code }) as Error)
    expect(parse).toThrow(message)
  })

  it('says how a time becomes numbers', () => {
    expect(() => chain('timestamp', [{ impute: 'drop' }])).toThrow(
      expect.objectContaining({ hint: 'put date_parts before it: [date_parts, ...]' }) as Error,
    )
  })

  it.each([
    ['number', ['standard', { impute: 'drop' }], true],
    ['text', [{ impute: { strategy: 'drop', indicator: true } }, 'index'], true],
    ['date', ['date_parts', { impute: 'drop' }], true],
    ['number', [{ impute: 'mean' }], false],
    ['number', undefined, false],
  ] as const)('knows whether a %s column with %j costs training rows', (type, steps, expected) => {
    expect(dropsMissing(steps === undefined ? { name: 'x', type } : { name: 'x', type, steps })).toBe(expected)
  })

  it('names the nearest step', () => {
    expect(() => chain('number', ['standrad'])).toThrow(
      expect.objectContaining({ hint: 'did you mean standard?' }) as Error,
    )
  })
})
