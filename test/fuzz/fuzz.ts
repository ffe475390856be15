/**
 * One way to fuzz every parser: seeded cases, and what must hold of each. A parser gives a value or throws a MillraceError
 * of a known code; it does so again for the same case; it is bounded in time; it leaves Object.prototype alone.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { test } from 'vitest'
import { ERRORS, MillraceError } from '../../src/core/errors.js'

/** Milliseconds that one case may take on a machine that does other things too. */
const LONGEST = 5_000
const SECONDS = process.env['FUZZ_SECONDS']
/** Of all cases; another one by FUZZ_SEED. A long run takes one that nobody has tried, and says it. */
const SEED = Number(process.env['FUZZ_SEED'] ?? (SECONDS === undefined ? 20_260_901 : Date.now() % 2 ** 31))

export interface Fuzzed<T> {
  readonly cases: fc.Arbitrary<T>
  /** Reads one case. */
  readonly parse: (given: T) => unknown
  /** Cases of a short run. */
  readonly runs: number
  /** Codes that a refusal may have; default: any that is no fault of Millrace itself. */
  readonly codes?: RegExp
}

/** Fuzzes one parser: `runs` cases, or for FUZZ_SECONDS seconds. */
export function fuzz<T>(parser: string, { cases, parse, runs, codes = /^MR_(?!INTERNAL_BUG)/ }: Fuzzed<T>): void {
  test(parser, async () => {
    let [count, read, slowest] = [0, 0, 0]
    const own = Object.getOwnPropertyNames(Object.prototype).join()
    const property = fc.asyncProperty(cases, async (given) => {
      const began = performance.now()
      const first = await outcome(parse, given, codes)
      const took = performance.now() - began
      const again = await outcome(parse, given, codes)
      count++
      if (first.code === undefined) read++
      slowest = Math.max(slowest, took)
      if (!isDeepStrictEqual(first, again)) throw new Error('read twice, it is not the same')
      if (took > LONGEST) throw new Error(`it took ${Math.round(took)} ms`)
      if (Object.getOwnPropertyNames(Object.prototype).join() !== own) throw new Error('Object.prototype has changed')
    })
    const limits =
      SECONDS === undefined
        ? { numRuns: runs }
        : { numRuns: 2 ** 31 - 1, interruptAfterTimeLimit: Number(SECONDS) * 1000, markInterruptAsFailure: false }
    await fc.assert(property, { seed: SEED, ...limits })
    const counted = { parser, cases: count, read, refused: count - read, slowestMs: Math.round(slowest), seed: SEED }
    const folder = process.env['FUZZ_COUNTS']
    if (folder !== undefined) writeFileSync(join(folder, parser.replaceAll(/\W+/g, '-')), JSON.stringify(counted))
  })
}

interface Outcome {
  readonly value?: unknown
  readonly code?: string
  readonly message?: string
}

async function outcome<T>(parse: (given: T) => unknown, given: T, codes: RegExp): Promise<Outcome> {
  try {
    return { value: await parse(given) }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    if (!Object.hasOwn(ERRORS, error.code) || !codes.test(error.code))
      throw new Error(`refused with ${error.code}: ${error.message}`, { cause: error })
    return { code: error.code, message: error.message }
  }
}

/** Bytes of real files with a few changes: bits flipped, bytes replaced, ranges cut, doubled, or moved. */
export function mutated(corpus: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    how: fc.constantFrom('flip', 'set', 'cut', 'double', 'end', 'long'),
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    value: fc.integer({ min: 0, max: 255 }),
    length: fc.integer({ min: 1, max: 64 }),
  })
  return fc
    .tuple(fc.nat({ max: corpus.length - 1 }), fc.array(edit, { minLength: 0, maxLength: 6 }))
    .map(([i, edits]) => {
      let bytes = Buffer.from(corpus[i] ?? [])
      for (const { how, at, value, length } of edits) {
        const from = Math.floor(at * bytes.length)
        if (how === 'flip' && bytes.length > 0) bytes[from] = (bytes[from] ?? 0) ^ (1 << (value & 7))
        else if (how === 'set' && bytes.length > 0) bytes[from] = value
        else if (how === 'cut') bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + length)])
        else if (how === 'double') bytes = Buffer.concat([bytes.subarray(0, from + length), bytes.subarray(from)])
        else if (how === 'end') bytes = bytes.subarray(0, from)
        else if (how === 'long') bytes.fill(0xff, from, Math.min(bytes.length, from + (length & 15)))
      }
      return new Uint8Array(bytes)
    })
}

/** The same for text; what is not UTF-8 any more becomes U+FFFD. */
export const mutatedText = (corpus: readonly string[]): fc.Arbitrary<string> =>
  mutated(corpus.map((text) => new TextEncoder().encode(text))).map((bytes) => new TextDecoder().decode(bytes))

/** Text that means something to a parser somewhere. */
export const hostile: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 40, unit: 'binary' }),
  fc.string({ maxLength: 60, unit: fc.constantFrom(...'ab/\\:@.%2e0~\0"\'{}[]$<>;-=+ \n\u202e'.split('')) }),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    '../../etc/passwd',
    '%2e%2e%2f',
    "'; DROP TABLE t; --",
    'NaN',
  ),
)

/** Any JSON, with names that objects inherit among its keys, and numbers at the ends of what there is. */
export const json: fc.Arbitrary<unknown> = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, false, 0, -0, 1e308, -1e-320, 2 ** 53, '', '2021-01-01', 'Infinity'),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    hostile,
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(hostile, tie('any'), { maxKeys: 4 }),
  ),
})).any
