import { expect, test } from 'vitest'
import { textWidth } from '../dashboard/terminal.js'
import type { ExecutionEvent } from '../pipeline/executor.js'
import { Output } from './output.js'
import { RunView } from './run-view.js'

/** A view on a terminal of so many columns, or on a pipe; `text` is all that was written. */
function open(columns?: number) {
  let text = ''
  const write = (more: string): boolean => Boolean((text += more))
  const stdout = columns === undefined ? { write } : { write, columns, isTTY: true }
  const out = new Output({ json: false, debug: false, stdout, stderr: stdout, env: { NO_COLOR: '1' } })
  return { view: new RunView(out), text: () => text }
}

const started = (stage: string): ExecutionEvent => ({
  ...{ type: 'stage-started', run: 'r', time: 0, stage, attempt: 1, version: 1, inputs: {}, fingerprint: null },
})
const epoch = (done: number, time: number): ExecutionEvent => ({
  ...{ type: 'stage-progress', run: 'r', stage: 'train', time, unit: 'epochs', done, total: 40 },
  ...{
    values: { loss: 1 / done, validation: 2 / done, accuracy: 0.5 },
    rate: 0.5,
    estimatedSecondsLeft: 80 - 2 * done,
  },
})

test('a pipe gets a line every ten seconds', () => {
  const { view, text } = open()
  view.event(started('train'))
  for (let done = 1; done <= 14; done++) view.event(epoch(done, done * 2000))
  view.close()
  expect(text().split('\n')).toEqual([
    'train        5/40 epochs  loss 0.2000  validation 0.4000  █▄▂▁▁  1 min 10 s left  2.0 s each',
    'train        10/40 epochs  loss 0.1000  validation 0.2000  █▄▃▂▂▂▁▁▁▁  1 min 00 s left  2.0 s each',
    '',
  ])
})

test.each([30, 60, 80, 140])('a terminal of %i columns has one line that fits and is wiped', (columns) => {
  const { view, text } = open(columns)
  view.event(started('publish'))
  view.event(started('train'))
  for (let done = 1; done <= 5; done++) view.event(epoch(done, done * 100))
  view.event({ type: 'stage-cached', run: 'r', time: 1, stage: 'publish', from: 'q', key: 'k', outputs: {} })
  view.close()
  const [moving = '', after = '', ...none] = text().split('\n')
  expect(none).toEqual([])
  const lines = `${moving}\r${after}`.split('\r').filter((line) => !line.includes('cached'))
  for (const line of lines) expect(textWidth(line.replace('\u001b[2K', ''))).toBeLessThan(columns)
  expect(moving).toMatch(/\r\u001b\[2Kpublish\r\u001b\[2Kpublish {2}train\r\u001b\[2Kpublish {2}train/)
  expect(moving).toMatch(/\r\u001b\[2Kpublish {5}cached {3}from run q$/)
  expect(after).toMatch(/^\r\u001b\[2Ktrain {2}.*5\/40 epochs.*\r\u001b\[2K$/)
})
