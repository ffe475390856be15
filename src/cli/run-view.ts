/** Shows a run while it works: a line that moves on a terminal, plain lines elsewhere, one JSON event a line under --json. */
import type { MachinePlan } from '../config/machine.js'
import { duration } from '../dashboard/format.js'
import { type Progress, progressLine } from '../dashboard/terminal.js'
import type { ExecutionEvent, StageProgressEvent } from '../pipeline/executor.js'
import { type Output, printable } from './output.js'

/** Milliseconds between two plain lines of progress of one stage where nobody watches a moving line. */
const PLAIN_INTERVAL = 10_000
/** The value whose course is drawn as it goes: what early stopping goes by. */
const TREND_VALUE = 'validation'
/** The values that a line has room for; all of them are in the events and on the page. */
const SHOWN_VALUES = ['loss', TREND_VALUE]
const TREND_LENGTH = 10

export class RunView {
  private readonly lastLine = new Map<string, number>()
  /** Stages at work, and how far they are once they say so. */
  private readonly working = new Map<string, StageProgressEvent | undefined>()
  private readonly trends = new Map<string, number[]>()
  private drawn = false

  constructor(private readonly out: Output) {}

  plan(plan: MachinePlan): void {
    for (const note of plan.notes) this.note(note)
  }

  note(note: string): void {
    this.line(this.out.style('dim', `· ${printable(note)}`))
  }

  event(event: ExecutionEvent): void {
    if (this.out.json) {
      // the configuration is in the journal and on the page; a line a consumer reads should stay short
      if (event.type === 'run-started') {
        const { config: _, ...rest } = event
        this.out.document(rest)
      } else this.out.document(event)
    }
    switch (event.type) {
      case 'run-started':
        this.line(`${this.out.style('bold', printable(event.name))}  run ${event.run}`)
        break
      case 'run-resumed':
        this.line(`going on with run ${event.run}`)
        break
      case 'stage-started':
        this.lastLine.set(event.stage, event.time)
        this.working.set(event.stage, undefined)
        this.draw()
        break
      case 'stage-progress':
        this.progress(event)
        break
      case 'stage-log':
        this.line(
          `${' '.repeat(12)}${event.level === 'warn' ? this.out.style('yellow', 'warning: ') : ''}${printable(event.message)}`,
        )
        break
      case 'stage-succeeded':
        this.ended(event.stage, 'green', 'done', duration(event.seconds))
        break
      case 'stage-cached':
        this.ended(event.stage, 'dim', 'cached', `from run ${event.from}`)
        break
      case 'stage-skipped':
        this.ended(event.stage, 'dim', 'skipped', `${event.because} did not succeed`)
        break
      case 'stage-failed':
        this.ended(event.stage, 'red', 'failed', `after ${duration(event.seconds)}`)
        break
      case 'stage-retrying':
        this.working.delete(event.stage)
        this.line(
          `${event.stage.padEnd(11)} ${this.out.style('yellow', 'retrying')} in ${duration(event.delay / 1000)}: ${printable(event.error.message)}`,
        )
        break
      case 'stage-checkpoint':
      case 'stage-attached':
      case 'run-finished':
        break
    }
  }

  /** Wipes the moving line. */
  close(): void {
    this.working.clear()
    this.wipe()
  }

  private ended(stage: string, style: 'green' | 'dim' | 'red', word: string, about: string): void {
    this.working.delete(stage)
    this.line(`${stage.padEnd(11)} ${this.out.style(style, word.padEnd(8))} ${about}`)
  }

  private line(text: string): void {
    this.wipe()
    this.out.say(text)
    this.draw()
  }

  private progress(event: StageProgressEvent): void {
    this.working.set(event.stage, event)
    const value = event.values?.[TREND_VALUE]
    if (value !== undefined)
      this.trends.set(event.stage, [...(this.trends.get(event.stage) ?? []), value].slice(-TREND_LENGTH))
    if (this.out.isInteractive) {
      this.draw()
      return
    }
    if (event.time - (this.lastLine.get(event.stage) ?? event.time) < PLAIN_INTERVAL) return
    this.lastLine.set(event.stage, event.time)
    this.out.say(progressLine({ ...this.seen(event), label: event.stage.padEnd(11) }, { bar: false, width: 120 }))
  }

  /** Stages at work side by side share the width. */
  private draw(): void {
    if (!this.out.isInteractive || this.working.size === 0) return
    const width = Math.floor((this.out.width + 1) / this.working.size) - 2
    const parts = [...this.working].map(([stage, event]) =>
      event === undefined ? stage : progressLine(this.seen(event), { width, colour: this.out.isColoured }),
    )
    this.out.status(parts.join('  '))
    this.drawn = true
  }

  private seen({ stage, unit, done, total, values = {}, rate, estimatedSecondsLeft }: StageProgressEvent): Progress {
    const trend = this.trends.get(stage)
    return {
      ...{ label: stage, unit, done },
      values: Object.fromEntries(Object.entries(values).filter(([name]) => SHOWN_VALUES.includes(name))),
      ...(trend === undefined ? {} : { trend }),
      ...(total === undefined ? {} : { total }),
      ...(rate === undefined ? {} : { rate }),
      ...(estimatedSecondsLeft === undefined ? {} : { secondsLeft: estimatedSecondsLeft }),
    }
  }

  private wipe(): void {
    if (!this.drawn) return
    this.out.status('')
    this.drawn = false
  }
}
