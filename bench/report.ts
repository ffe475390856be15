/**
 * What a benchmark leaves: bench/results/NAME.json with the machine, every sample, and for each goal a row that the page
 * of ratios (page.ts) shows.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { ratioInterval } from './statistics.js'

/** A value and the ends of its 95 % bootstrap interval. */
export interface Interval {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** One goal: `measured` is a ratio or an absolute number in `unit`, met if its worse end is on the goal's side. */
export interface GoalRow {
  /** The area in the table of goals, e.g. `executor`. */
  readonly area: string
  /** What is measured, in words. */
  readonly what: string
  readonly goal: number
  /** `times` for ratios. */
  readonly unit: string
  /** Whether more than the goal is better, or less. */
  readonly better: 'more' | 'less'
  readonly measured: Interval
  /** Name and version; absent if the goal is absolute. */
  readonly peer?: string
  readonly note?: string
}

/** How many times as long theirs took: samples are times, those of equal count in rounds. */
export function times(ours: readonly number[], theirs: readonly number[]): Interval {
  const { ratio, low, high } = ratioInterval(ours, theirs)
  return { value: ratio, low, high }
}

/** The median of samples of any unit. */
export function absolute(samples: readonly number[]): Interval {
  return times(
    samples.map(() => 1),
    samples,
  )
}

/** True if even the worse end of the interval reaches the goal. */
export function isMet({ goal, better, measured }: Pick<GoalRow, 'goal' | 'better' | 'measured'>): boolean {
  return better === 'more' ? measured.low >= goal : measured.high <= goal
}

/** Writes the result and prints its rows. `rest`: samples, what was compared, which peers are missing and why. */
export function writeReport(name: string, goals: readonly GoalRow[], rest: Readonly<Record<string, unknown>>): void {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, load: loadavg()[0] }
  const folder = new URL('results/', import.meta.url)
  mkdirSync(folder, { recursive: true })
  const text = JSON.stringify({ bench: name, machine, goals, ...rest }, null, 2)
  writeFileSync(new URL(`${name}.json`, folder), `${text}\n`)
  for (const row of goals) {
    const { value, low, high } = row.measured
    const shown = [value, low, high].map((number) => number.toPrecision(3))
    console.log(
      `${row.what}${row.peer === undefined ? '' : ` (${row.peer})`}: ${shown[0]} ${row.unit} [${shown[1]}, ${shown[2]}], ` +
        `goal ${row.goal}: ${isMet(row) ? 'met' : 'missed'}`,
    )
  }
}
