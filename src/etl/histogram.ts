/**
 * Histograms whose bins are as wide as a power of two and begin at its multiples: of any two the finer can be made as
 * coarse as the other without looking at a value again, so those of a table's files add up exactly.
 */
import type { ColumnType } from '../core/schema.js'

export interface Histogram {
  /** Where the first bin begins; it holds its own edge and not the next one's. */
  readonly low: number
  /** Of every bin. Dates and times in microseconds. */
  readonly width: number
  readonly counts: readonly number[]
}

/** Bin `i` goes from `i * unit * 2^power` up to the next one's beginning. */
export interface Grid {
  readonly power: number
  readonly unit: number
  /** The first bin that may hold a value, and how many follow. */
  readonly first: number
  readonly bins: number
}

/** From half as many on, where the range alone decides. */
const MOST = 32
/** Beyond, the number of a bin is no exact double. */
const LAST = 2 ** 52
/** 2^-1000 still has a reciprocal. */
const FINEST = -1000
/** A date's bins are whole days. */
const DAY = 86_400_000_000

/** The finest grid that has few bins from `min` to `max`; undefined where there is no finite range. */
export function gridOf(min: number | undefined, max: number | undefined, type: ColumnType): Grid | undefined {
  if (min === undefined || max === undefined || !Number.isFinite(min) || !Number.isFinite(max - min)) return undefined
  const unit = type === 'date' ? DAY : 1
  const finest = type === 'number' && min < max ? FINEST : 0
  for (let power = Math.max(finest, Math.floor(Math.log2((max - min) / unit)) - 6); ; power++) {
    const width = unit * 2 ** power
    const [first, last] = [binOf(min, width), binOf(max, width)]
    const bins = last - first + 1
    if (bins <= MOST && Math.max(Math.abs(first), Math.abs(last)) <= LAST) return { power, unit, first, bins }
  }
}

/** By the edges: a quotient may be rounded. */
function binOf(value: number, width: number): number {
  const bin = Math.floor(value / width)
  return bin * width > value ? bin - 1 : (bin + 1) * width <= value ? bin + 1 : bin
}

/** Counts of the bins of a grid of this power from `first` on. */
export interface BinCounts {
  readonly power: number
  readonly first: number
  readonly counts: readonly number[]
}

/** Those of all parts together. @param parts of grids with the same unit that are as fine as `grid` or finer */
export function addBins({ power, unit, first, bins }: Grid, parts: readonly BinCounts[]): Histogram {
  const counts = Array.from({ length: bins }, () => 0)
  for (const part of parts) {
    // 2^60 of any fit into one
    const together = 2 ** Math.min(60, power - part.power)
    for (const [i, count] of part.counts.entries()) {
      const bin = Math.floor((part.first + i) / together) - first
      counts[bin] = (counts[bin] ?? 0) + count
    }
  }
  const width = unit * 2 ** power
  return { low: first * width, width, counts }
}
