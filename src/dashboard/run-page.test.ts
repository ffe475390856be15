import { describe, expect, test } from 'vitest'
import {
  failedRun,
  goodRun,
  HOSTILE,
  hostileRun,
  largeRun,
  regressionRun,
  telco,
} from '../../test/dashboard/fixture.js'
import { golden } from '../../test/golden.js'
import { renderRunPage, type RunPageData } from './run-page.js'
import { quote } from './sections/model.js'
import type { LeakFinding, RuleResult } from '../core/documents.js'
import { renderValidationPage } from './validation-page.js'

/** Text of the page without style, script and markup. */
const words = (html: string) =>
  html
    .replace(/<(style|script)>[^]*?<\/\1>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
const minimal: RunPageData = { run: goodRun.run, stages: [], versions: {}, digests: {}, notes: [] }

describe('run page', () => {
  test('a good run, whole', () => {
    const html = renderRunPage(goodRun)
    expect(renderRunPage(goodRun)).toBe(html)
    golden('dashboard/run-page.html', html)
  })

  test('the verdict, the numbers and the commands stand in it', () => {
    const text = words(renderRunPage(goodRun))
    expect(text).toContain('Promoted to champion: version 3')
    expect(text).toContain('0.860')
    expect(text).toContain('millrace serve models:/churn@champion --port 8080')
    expect(text).toContain('best: epoch 15')
    expect(text).toContain('prevalence 26.4%')
  })

  test('loads nothing: no address, no import, no style or handler attribute; only the hashed style and script', () => {
    for (const data of [goodRun, hostileRun, regressionRun]) {
      const html = renderRunPage(data)
      expect(html.replace(/<pre[^]*?<\/pre>/g, '').replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(
        /(src|href)\s*=\s*"(?!#)|url\(|@import|https?:\/\/(?!www)/,
      )
      expect(html.match(/<script/g)).toHaveLength(1)
      expect(html.match(/<style/g)).toHaveLength(1)
      expect(html).not.toMatch(/<[^>]*\son\w+="|<[^>"]*\sstyle="/)
      expect(html).toContain('default-src &#39;none&#39;'.replaceAll('&#39;', "'"))
    }
  })

  test('a failed run says code, message and hint first', () => {
    const text = words(renderRunPage(failedRun))
    expect(text).toContain('The run failed in validate')
    expect(text.indexOf('MR_VALIDATION_FAILED')).toBeLessThan(text.indexOf('Stages over time'))
    expect(text).toContain('Next: lower min_records')
    expect(text).toContain('not started')
  })

  test('a refused model, an unfinished run, an interrupted one, and next to nothing', () => {
    expect(words(renderRunPage(regressionRun))).toContain(
      'The gate refused this model rmse is 36,420 and must not exceed 30,000.',
    )
    expect(words(renderRunPage({ ...minimal, run: { ...goodRun.run, status: 'running' } }))).toContain('Still running')
    expect(words(renderRunPage({ ...minimal, run: { ...goodRun.run, status: 'cancelled' } }))).toContain(
      'millrace resume',
    )
    expect(words(renderRunPage(minimal))).toContain('Done Every stage of the run has finished.')
  })

  test('regression has its own pictures and none of the others', () => {
    const text = words(renderRunPage(regressionRun))
    expect(text).toContain('Predicted against actual')
    expect(text).toContain('Residuals')
    expect(text).not.toMatch(/ROC|Confusion|Calibration|Threshold/)
  })

  test('leaks: figures beside limits, what was found first, what the file allows', () => {
    const leaks = goodRun.leaks
    const found: LeakFinding = {
      check: 'look_ahead',
      column: 'closed',
      passed: false,
      value: 1,
      limit: 0.01,
      detail: 'x',
    }
    const page = (finding: LeakFinding, action: 'refuse' | 'warn' = 'refuse') =>
      words(
        renderRunPage({ ...goodRun, leaks: { passed: false, action, checks: [...(leaks?.checks ?? []), finding] } }),
      )
    expect(words(renderRunPage(goodRun))).toMatch(/No leak was found by 2 checks.* no leak 0.456 0.975 /)
    expect(page(found)).toContain('1 leak was found, so nothing was trained.')
    expect(page(found)).toMatch(/look_ahead closed leak 1 0.01 x .*duplicates no leak/)
    expect(page(found, 'warn')).toContain('the scores may be too good to be true')
    expect(page({ ...found, allowed: true })).toContain(
      'No leak was found by 3 checks. 1 finding is allowed by the file.',
    )
  })

  test('windows are said in words, escaped', () => {
    const [first] = goodRun.features?.columns ?? []
    const window = { name: first?.name ?? '', by: 'c', compute: 'count', rows: 3, timestamp: 't', reads: [] }
    const windows = [{ ...window, inWords: 'number of rows over the 3 rows before, by <b>' }]
    const html = renderRunPage({ ...goodRun, windows, sampleRow: { [window.name]: 1 } })
    expect(words(html)).toContain('by &lt;b&gt;')
    expect(words(html)).toContain("1 of the table's columns is a window over earlier rows of the same entity")
    expect(words(html)).toContain('who asks the server sends their values')
  })

  test('hostile names stay text, and no number is NaN', () => {
    const html = renderRunPage(hostileRun)
    expect(html).not.toContain('<script>alert')
    expect(html).not.toContain('<img')
    expect(html).not.toMatch(/[\u0000\u0007\u202a-\u202e]|[^\ud800-\udbff][\udc00-\udfff]/)
    expect(words(html)).not.toMatch(/\b(NaN|Infinity|undefined|\[object)\b/)
    expect(html.replace(/<(style|script)>[^]*?<\/\1>/g, '')).not.toMatch(/="[^"]*(NaN|Infinity|undefined)[^"]*"/)
  })

  test('large runs are capped, and say what is left out', () => {
    const html = renderRunPage(largeRun)
    expect(html.length).toBeLessThan(900_000)
    expect(html).toContain('Shapes are drawn for the first 60.')
    expect(html).toContain('The pictures show the first 60 stages.')
    expect(words(html)).toContain('best: epoch 777')
  })

  test.each([
    [
      'zero rows',
      {
        validation: {
          rowsIn: 0,
          rowsOut: 0,
          passed: true,
          rules: [],
          columns: [{ name: 'a', type: 'number', missing: 0, distinct: 0 }],
        },
      },
      'no rows',
    ],
    [
      'a constant column',
      {
        validation: {
          rowsIn: 9,
          rowsOut: 9,
          passed: true,
          rules: [],
          columns: [
            { name: 'a', type: 'number', missing: 0, distinct: 1, min: 4, max: 4, mean: 4, stddev: 0, histogram: [9] },
          ],
        },
      },
      'always 4',
    ],
    [
      'an empty column',
      {
        validation: {
          rowsIn: 9,
          rowsOut: 9,
          passed: true,
          rules: [],
          columns: [{ name: 'a', type: 'text', missing: 9, distinct: 0, top: [] }],
        },
      },
      'every value is missing',
    ],
    ['no epoch', { training: { ...telco.training, epochs: [], bestEpoch: 0 } }, 'No epoch has finished.'],
    [
      'one class',
      {
        evaluation: {
          ...telco.evaluation,
          task: { kind: 'classification', classes: ['No'], positive: undefined },
          confusion: [[12]],
          roc: [],
          precisionRecall: [],
        },
      },
      '1 class.',
    ],
  ] satisfies [string, Partial<RunPageData>, string][])('%s', (_, part, said) => {
    const text = words(renderRunPage({ ...minimal, ...part }))
    expect(text).toContain(said)
    expect(text).not.toMatch(/\b(NaN|Infinity|undefined)\b/)
  })

  test('shell words', () => {
    expect(quote('models:/churn@champion')).toBe('models:/churn@champion')
    expect(quote("it's; rm -rf /")).toBe(`'it'\\''s; rm -rf /'`)
    expect(quote('--out')).toBe(`'--out'`)
  })
})

describe('validation page', () => {
  test('whole', () =>
    golden(
      'dashboard/validation-page.html',
      renderValidationPage(telco.validation, { pipeline: 'churn', source: 'telco.csv' }),
    ))

  test('folds away the many rules that hold, never one that is broken', () => {
    const rule = (i: number) => ({
      id: `r${i}`,
      rule: 'required_columns' as const,
      expectation: `rule ${i}`,
      severity: i === 3 ? ('drop' as const) : ('fail' as const),
      passed: i !== 3,
      violations: i === 3 ? 2 : 0,
      examples: [],
    })
    const page = (n: number) =>
      renderValidationPage(
        { ...telco.validation, rules: Array.from({ length: n }, (_, i) => rule(i)) },
        { pipeline: 'p' },
      )
    expect(page(15)).not.toContain('<details')
    const [shown = '', folded = ''] = page(40).split('<details>')
    expect(words(shown)).toContain('rule 3')
    expect(words(shown)).not.toContain('rule 4')
    expect(words(folded)).toContain('39 rules that hold')
    expect(words(folded)).toContain('rule 39')
  })

  test('says what stopped the data, in hostile words too', () => {
    const rules = [
      {
        id: 'min_records',
        rule: 'min_records',
        expectation: HOSTILE[0],
        severity: 'fail',
        passed: false,
        violations: 0,
        examples: [],
      },
    ] as const
    const [bad = ''] = HOSTILE
    const suite: RuleResult = {
      ...rules[0],
      id: 'e',
      rule: 'expectations',
      severity: 'warn',
      source: bad,
      observed: bad,
      mostly: 0.995,
    }
    const share = { ...suite, id: 'f', passed: true, violations: 3, examples: HOSTILE }
    const document = { ...telco.validation, passed: false, rules: [...rules, suite, share], unchecked: HOSTILE }
    const html = renderValidationPage(document, { pipeline: HOSTILE[1] })
    expect(words(html)).toContain('The data does not pass')
    expect(words(html)).toContain('3 of 3 were broken')
    expect(words(html)).toContain('at least 99.5% of rows')
    expect(words(html)).toContain('within its share')
    expect(words(html)).toContain(`${HOSTILE.length} expectations were not checked`)
    expect(html).not.toMatch(/<script>alert|<img/)
  })
})
