/** Sorting of rows by score, done once and shared by every metric and curve that goes by rank. */

/** Rows by falling score; rows of equal score form one group, because no threshold can tell them apart. */
export interface Ranking {
  /** Row numbers, by falling score. */
  readonly order: Uint32Array
  /** 1 where the row at this place of `order` is positive. */
  readonly positive: Uint8Array
  /** The distinct scores, falling. */
  readonly scores: Float64Array
  /** One past the last place of `order` with the score of the same index. */
  readonly ends: Uint32Array
}

/**
 * Ranks rows for a two-class question in O(n).
 * @param scores finite, one a row (check before: NaN has no rank); -0 and 0 are one score
 * @param isPositive whether the row of this number is positive
 */
export function rankRows(scores: Float32Array | Float64Array, isPositive: (row: number) => boolean): Ranking {
  const rows = scores.length
  const order = fallingOrder(scores)
  const positive = new Uint8Array(rows)
  const distinct = new Float64Array(rows)
  const ends = new Uint32Array(rows)
  let groups = 0
  for (let place = 0; place < rows; place++) {
    const row = order[place]!
    const score = scores[row]!
    if (isPositive(row)) positive[place] = 1
    if (groups === 0 || distinct[groups - 1] !== score) distinct[groups++] = score
    ends[groups - 1] = place + 1
  }
  return { order, positive, scores: distinct.slice(0, groups), ends: ends.slice(0, groups) }
}

const DIGIT = 11
const BUCKETS = 1 << DIGIT

/**
 * Row numbers by falling value, equal values in row order: a radix sort on the bits of the doubles. Digits that all rows
 * share cost one look, so 32-bit floats (whose lower 29 bits are zero) and probabilities are sorted in four passes.
 */
export function fallingOrder(values: Float32Array | Float64Array): Uint32Array {
  const rows = values.length
  const doubles = new Float64Array(rows)
  for (let i = 0; i < rows; i++) doubles[i] = values[i]! + 0 // -0 + 0 is 0
  const words = new Uint32Array(doubles.buffer)
  const low = new Uint32Array(rows)
  const high = new Uint32Array(rows)
  for (let i = 0; i < rows; i++) {
    const top = words[2 * i + 1]!
    // As unsigned integers, doubles rise with their bits once negatives are flipped whole and the sign of the others
    // is set; flipped again so that they fall.
    const flip = top >>> 31 === 1 ? 0 : 0xffffffff
    low[i] = words[2 * i]! ^ flip
    high[i] = top ^ (flip === 0 ? 0 : 0x7fffffff)
  }
  let order = new Uint32Array(rows)
  for (let i = 0; i < rows; i++) order[i] = i
  let next = new Uint32Array(rows)
  const counts = new Uint32Array(BUCKETS)
  for (const [key, bits] of [
    [low, 32],
    [high, 32],
  ] as const) {
    for (let shift = 0; shift < bits; shift += DIGIT) {
      counts.fill(0)
      for (let i = 0; i < rows; i++) counts[(key[i]! >>> shift) & (BUCKETS - 1)]!++
      if (rows === 0 || counts[(key[0]! >>> shift) & (BUCKETS - 1)] === rows) continue
      let start = 0
      for (let b = 0; b < BUCKETS; b++) {
        const count = counts[b]!
        counts[b] = start
        start += count
      }
      for (let i = 0; i < rows; i++) {
        const row = order[i]!
        next[counts[(key[row]! >>> shift) & (BUCKETS - 1)]!++] = row
      }
      ;[order, next] = [next, order]
    }
  }
  return order
}
