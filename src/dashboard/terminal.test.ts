import { describe, expect, test } from 'vitest'
import { bar, cut, paint, progressLine, sparkline, terminalTable, textWidth } from './terminal.js'

describe('terminal', () => {
  test('width of text', () => {
    expect(['abc', '日本', '👩‍👩‍👧', 'e\u0301', '\u001b[31mred\u001b[39m', ''].map(textWidth)).toEqual([3, 4, 2, 1, 3, 0])
  })

  test('cut', () => {
    expect([cut('abcdef', 4), cut('日本語', 4), cut('abc', 3), cut('abc', 1), cut('abc', 0)]).toEqual([
      'abc…',
      '日…',
      'abc',
      '…',
      '',
    ])
  })

  test('sparkline', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█')
    expect(sparkline([1, NaN, 1, Infinity])).toBe('▄ ▄ ')
    expect(sparkline([9, 0, 7], 2)).toBe('▁█')
    expect(sparkline([])).toBe('')
  })

  test('bar', () => {
    expect([bar(0, 4), bar(0.5, 4), bar(1, 4), bar(0.28, 4), bar(NaN, 2), bar(9, 2), bar(0.99, 1)]).toEqual([
      '    ',
      '██  ',
      '████',
      '█▏  ',
      '  ',
      '██',
      '█',
    ])
  })

  test('table: alignment, limits, hostile cells', () => {
    const columns = [{ title: 'name' }, { title: 'rows', align: 'right' as const }]
    expect(
      terminalTable(columns, [
        ['churn', '7,043'],
        ['日本', '5'],
      ]),
    ).toEqual(['name    rows', 'churn  7,043', '日本       5'])
    expect(terminalTable(columns, [['x'.repeat(50), '1']], { width: 20 })).toEqual([
      `name${' '.repeat(12)}rows`,
      `${'x'.repeat(13)}…     1`,
    ])
    expect(terminalTable(columns, [['a\u001b[2Jb\nc']])[1]).toBe('a\\u{1b}[2Jb c')
    expect(terminalTable(columns, [])).toEqual(['name  rows'])
    expect(terminalTable(columns, [], { colour: true })[0]).toBe('\u001b[2mname  rows\u001b[22m')
  })

  test('progress: rate and time left', () => {
    const epochs = { label: 'train', unit: 'epochs', done: 5, total: 20, rate: 0.5, secondsLeft: 30 }
    expect(progressLine({ ...epochs, values: { loss: 0.4123 } })).toBe(
      `train  █████${' '.repeat(15)}  5/20 epochs  loss 0.4123  30 s left  2.0 s each`,
    )
    const trend = [0.9, 0.6, 0.5, 0.4, 0.3]
    expect(progressLine({ ...epochs, values: { loss: 0.4123 }, trend })).toBe(
      'train  5/20 epochs  loss 0.4123  █▄▃▂▁  30 s left  2.0 s each',
    )
    expect(progressLine({ ...epochs, trend }, { width: 120 })).toContain('█████  ')
    expect(progressLine(epochs, { bar: false })).toBe('train  5/20 epochs  30 s left  2.0 s each')
    expect(progressLine({ label: 'transform', unit: 'rows', done: 1_200_000, rate: 400_000 })).toBe(
      'transform  1,200,000 rows  400k/s',
    )
    expect(progressLine({ label: 'x', unit: 'rows', done: 0, total: 0, rate: 0 })).toBe('x  0 rows')
    expect(progressLine({ label: 'x', unit: 'rows', done: 1, total: 2, rate: NaN, secondsLeft: NaN })).not.toMatch(
      /NaN/,
    )
  })

  test('progress: what does not fit is left out, colours only on request', () => {
    const progress = { label: 'train', unit: 'epochs', done: 5, total: 20, rate: 0.5, values: { loss: 0.4 } }
    for (let width = 5; width < 120; width++)
      for (const trend of [[], [3, 2, 1]])
        expect(textWidth(progressLine({ ...progress, trend }, { width, colour: true }))).toBeLessThanOrEqual(width)
    expect(progressLine(progress)).not.toContain('\u001b')
    expect(progressLine(progress, { colour: true })).toContain('\u001b[34m█████\u001b[39m')
    expect([paint('a', 'red', false), paint('', 'red', true)]).toEqual(['a', ''])
  })
})
