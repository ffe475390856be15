/** Shows a run while it works: a line that moves on a terminal, plain lines elsewhere, one JSON event a line under --json. */
import type { MachinePlan } from '../config/machine.js'
import type { ExecutionEvent, StageProgressEvent } from '../pipeline/executor.js'
import { duration, quantity } from './numbers.js'
import { type Output, printable } from './output.js'

/** Milliseconds between two plain lines of progress of one stage where nobody watches a moving line. */
const PLAIN_INTERVAL = 10_000

export class RunView {
  private readonly started = new Map<string, number>()
  private readonly lastLine = new Map<string, number>()
  private readonly moving = new Map<string, StageProgressEvent>()
  private drawn = false

  constructor(private readonly out: Output) {}

  plan(plan: MachinePlan): void {
    for (const note of plan.notes) this.out.say(this.out.style('dim', `· ${printable(note)}`))
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
        this.started.set(event.stage, event.time)
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
    this.moving.clear()
    this.wipe()
  }

  private ended(stage: string, style: 'green' | 'dim' | 'red', word: string, about: string): void {
    this.moving.delete(stage)
    this.line(`${stage.padEnd(11)} ${this.out.style(style, word.padEnd(8))} ${about}`)
  }

  private line(text: string): void {
    this.wipe()
    this.out.say(text)
    this.draw()
  }

  private progress(event: StageProgressEvent): void {
    this.moving.set(event.stage, event)
    if (this.out.isInteractive) {
      this.wipe()
      this.draw()
      return
    }
    const last = this.lastLine.get(event.stage) ?? this.started.get(event.stage) ?? event.time
    if (event.time - last < PLAIN_INTERVAL) return
    this.lastLine.set(event.stage, event.time)
    this.out.say(`${event.stage.padEnd(11)} ${describe(event)}`)
  }

  private draw(): void {
    if (!this.out.isInteractive || this.moving.size === 0) return
    const text = [...this.moving.values()].map((event) => `${event.stage} ${describe(event)}`).join('  |  ')
    this.out.status(text)
    this.drawn = true
  }

  private wipe(): void {
    if (!this.drawn) return
    this.out.status('')
    this.drawn = false
  }
}

/** `epochs 12 of 40, loss 0.41, 8.2/s, about 3 s left`; rates and times left are estimates of the last half minute. */
function describe(event: StageProgressEvent): string {
  const { unit, done, total, values = {}, rate, estimatedSecondsLeft } = event
  return [
    `${unit} ${quantity(done)}${total === undefined ? '' : ` of ${quantity(total)}`}`,
    ...Object.entries(values).map(([name, value]) => `${name} ${quantity(value)}`),
    ...(rate === undefined ? [] : [`${quantity(rate)}/s`]),
    ...(estimatedSecondsLeft === undefined || estimatedSecondsLeft < 1
      ? []
      : [`about ${duration(estimatedSecondsLeft)} left`]),
  ].join(', ')
}
