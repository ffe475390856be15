import { describe, expect, it } from 'vitest'
import { MillraceError } from '../core/errors.js'
import { errorLines, Output, printable } from './output.js'

class Sink {
  text = ''
  constructor(readonly isTTY: boolean) {}
  write(text: string): boolean {
    this.text += text
    return true
  }
}

function open(options: { json?: boolean; debug?: boolean; tty?: boolean; env?: Record<string, string> } = {}) {
  const stdout = new Sink(options.tty ?? false)
  const stderr = new Sink(options.tty ?? false)
  const { json = false, debug = false, env = {} } = options
  return { out: new Output({ json, debug, stdout, stderr, env }), stdout, stderr }
}

const fault = (message: string, hint?: string) =>
  new MillraceError('MR_CONFIG_INVALID', message, {
    at: { file: 'p.yaml', line: 3, column: 5 },
    ...(hint === undefined ? {} : { hint }),
  })

describe('output', () => {
  it('writes text for people to standard output, and beside JSON to standard error', () => {
    const plain = open()
    plain.out.say('hello')
    plain.out.document({ a: 1 })
    expect([plain.stdout.text, plain.stderr.text]).toEqual(['hello\n', ''])
    const json = open({ json: true })
    json.out.say('hello')
    json.out.document({ a: 1 })
    expect([json.stdout.text, json.stderr.text]).toEqual(['{"a":1}\n', 'hello\n'])
  })

  it('says what, where, rule, hint, then one line for each of the others', () => {
    const { out, stderr } = open()
    const others = [fault('a is 1', 'write 2'), fault('b is 1', 'write 2')]
    expect(out.error(new MillraceError('MR_CONFIG_INVALID', '2 faults', { hint: 'look', others }))).toBe(2)
    expect(stderr.text).toBe(
      'error MR_CONFIG_INVALID: 2 faults\nhint: look\n  p.yaml:3:5: a is 1\n    hint: write 2\n  p.yaml:3:5: b is 1\n',
    )
  })

  it('does not say a single fault twice', () => {
    const only = fault('a is 1')
    const error = new MillraceError('MR_CONFIG_INVALID', only.message, { others: [only] })
    expect(errorLines(error, (_, text) => text)).toHaveLength(1)
  })

  it('puts an error into the JSON document too, stacks only with --debug', () => {
    const json = open({ json: true })
    json.out.error(fault('a is 1'))
    expect(JSON.parse(json.stdout.text)).toEqual({
      error: { code: 'MR_CONFIG_INVALID', message: 'a is 1', at: { file: 'p.yaml', line: 3, column: 5 } },
    })
    expect(json.stderr.text).not.toMatch(/output\.test/)
    const debug = open({ debug: true })
    debug.out.error(fault('a is 1'))
    expect(debug.stderr.text).toMatch(/output\.test/)
  })

  it('gives exit codes by the table, 1 for its own faults, 130 for an abort', () => {
    const { out } = open()
    expect(out.error(new MillraceError('MR_TIMEOUT', 'x'))).toBe(1)
    expect(out.error(new TypeError('x'))).toBe(1)
    expect(out.error('text')).toBe(1)
    expect(out.error(new DOMException('x', 'AbortError'))).toBe(130)
  })

  it('colours only a terminal, and not against NO_COLOR', () => {
    expect(open({ tty: true }).out.style('red', 'x')).toBe('\u001b[31mx\u001b[39m')
    expect(open({ tty: false }).out.style('red', 'x')).toBe('x')
    expect(open({ tty: true, env: { NO_COLOR: '1' } }).out.style('red', 'x')).toBe('x')
    expect(open({ tty: true, env: { NO_COLOR: '' } }).out.style('red', 'x')).toBe('\u001b[31mx\u001b[39m')
    expect(open({ tty: true, env: { TERM: 'dumb' } }).out.style('red', 'x')).toBe('x')
  })

  it('lets no control character from data reach a terminal', () => {
    expect(printable('a\u001b[2Jb\u0007\r\u202ec\u009b\n\té🙂')).toBe(
      'a\\u001b[2Jb\\u0007\\u000d\\u202ec\\u009b\n\té🙂',
    )
    const { out, stderr } = open()
    out.error(fault('column "\u001b]0;x\u0007"', '\u001b[31m'))
    expect(stderr.text).not.toMatch(/[\u001b\u0007]/)
  })
})
