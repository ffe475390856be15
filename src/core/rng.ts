/**
 * Random numbers as a pure function of (seed, stream, position): Philox4x32-10 by Salmon, Moraes, Dror and Shaw,
 * "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Nothing is shared between streams, so work that is split,
 * resumed or run in another order still draws the same numbers. Normals use V8's own log, sin and cos, which are the
 * same on every platform.
 */

const M0 = 0xd2511f53
const M1 = 0xcd9e8d57
const W0 = 0x9e3779b9
const W1 = 0xbb67ae85
const TWO_32 = 2 ** 32
const TWO_53 = 2 ** 53

/** The high 32 bits of a 64-bit product, by 16-bit halves (every partial sum stays below 2^32). */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const t = aHigh * bLow + ((aLow * bLow) >>> 16)
  const u = aLow * bHigh + (t & 0xffff)
  return (aHigh * bHigh + (t >>> 16) + (u >>> 16)) >>> 0
}

/** The generator itself: 128 bits of counter in, 128 random bits out, under a key of two 32-bit words. */
export class Philox {
  readonly #key0: number
  readonly #key1: number

  constructor(key0: number, key1: number) {
    this.#key0 = key0 >>> 0
    this.#key1 = key1 >>> 0
  }

  /** The four words at counter (c0, c1, c2, c3), least significant first; bigints are taken modulo 2^32. */
  at(c0: number | bigint, c1: number | bigint = 0, c2: number | bigint = 0, c3: number | bigint = 0): Uint32Array {
    const out = new Uint32Array(4)
    this.generate(word(c0), word(c1), word(c2), word(c3), out)
    return out
  }

  /** As `at`, for 32-bit words and into `out[0..3]`: for loops that may not allocate. */
  generate(c0: number, c1: number, c2: number, c3: number, out: Uint32Array): void {
    let k0 = this.#key0
    let k1 = this.#key1
    for (let round = 0; round < 10; round++) {
      const high0 = multiplyHigh(M0, c0)
      const low0 = Math.imul(M0, c0)
      const high1 = multiplyHigh(M1, c2)
      const low1 = Math.imul(M1, c2)
      c0 = high1 ^ c1 ^ k0
      c1 = low1
      c2 = high0 ^ c3 ^ k1
      c3 = low0
      k0 = (k0 + W0) | 0
      k1 = (k1 + W1) | 0
    }
    out[0] = c0
    out[1] = c1
    out[2] = c2
    out[3] = c3
  }
}

function word(value: number | bigint): number {
  return typeof value === 'bigint' ? Number(BigInt.asUintN(32, value)) : value >>> 0
}

/**
 * A sequence of random numbers named by a seed and any number of stream numbers, e.g. `new Rng(seed, epoch)`; another
 * name gives an independent sequence. All are safe integers (negative ones too); others throw a RangeError.
 */
export class Rng {
  readonly #philox: Philox
  readonly #buffer = new Uint32Array(4)
  #used = 4
  #block = 0
  #spare: number | undefined

  constructor(seed: number, ...stream: number[]) {
    let [low, high] = halves(seed)
    // Each stream number re-keys the generator with a block that no sequence of the parent's own counters uses.
    stream.forEach((number, level) => {
      const [a, b] = halves(number)
      const key = new Philox(low, high).at(a, b, level, 0x73747265)
      low = key[0] ?? 0
      high = key[1] ?? 0
    })
    this.#philox = new Philox(low, high)
  }

  /** 32 random bits: [0, 2^32). */
  uint32(): number {
    if (this.#used === 4) {
      this.#philox.generate(this.#block % TWO_32, Math.floor(this.#block / TWO_32), 0, 0, this.#buffer)
      this.#block++
      this.#used = 0
    }
    return this.#buffer[this.#used++] ?? 0
  }

  /** [0, 1), all 53 bits of it. */
  uniform(): number {
    const high = this.uint32() >>> 5
    return (high * 2 ** 26 + (this.uint32() >>> 6)) / TWO_53
  }

  /** Mean 0, deviation 1: Box and Muller (1958), both values of a pair in turn. */
  normal(): number {
    const spare = this.#spare
    if (spare !== undefined) {
      this.#spare = undefined
      return spare
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    const angle = 2 * Math.PI * this.uniform()
    this.#spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }

  /** A whole number in [0, n), each as likely as the others; 1 <= n <= 2^53. */
  below(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > TWO_53) throw new RangeError(`below(${n}): 1 <= n <= 2^53, whole`)
    if (n > TWO_32) {
      const limit = TWO_53 - (TWO_53 % n)
      for (;;) {
        const value = this.uniform() * TWO_53
        if (value < limit) return value % n
      }
    }
    if (n === TWO_32) return this.uint32()
    // Lemire, "Fast random integer generation in an interval" (2019): the product's high word, unless its low word
    // falls among the (2^32 mod n) surplus values.
    for (;;) {
      const bits = this.uint32()
      const low = Math.imul(bits, n) >>> 0
      if (low >= n || low >= (TWO_32 - n) % n) return multiplyHigh(bits, n)
    }
  }

  /** 0 … n-1 in random order: Fisher and Yates's shuffle (Durstenfeld 1964), every order equally likely. */
  permutation(n: number): Uint32Array {
    if (!Number.isInteger(n) || n < 0 || n > TWO_32) throw new RangeError(`permutation(${n}): 0 <= n <= 2^32, whole`)
    const order = new Uint32Array(n)
    for (let i = 0; i < n; i++) order[i] = i
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const kept = order[i] ?? 0
      order[i] = order[j] ?? 0
      order[j] = kept
    }
    return order
  }
}

/** A safe integer's low and high 32 bits (two's complement). */
function halves(value: number): [low: number, high: number] {
  if (!Number.isSafeInteger(value)) throw new RangeError(`seed or stream ${value}: a whole number within ±(2^53 - 1)`)
  return [value >>> 0, Math.floor(value / TWO_32) >>> 0]
}
