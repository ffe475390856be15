/** Delays, jitter, what is tried again, and sleeping, on a clock of the test's own. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { systemClock, type Clock } from './clock.js'
import { MillraceError } from './errors.js'
import { Rng } from './rng.js'
import { isRetryable, RetryStrategy } from './retry.js'

const low = { uniform: () => 0 }
const high = { uniform: () => 1 - 2 ** -53 }

describe('delay', () => {
  test('grows from 1 s by 2 up to 60 s', () => {
    const strategy = new RetryStrategy()
    expect([0, 1, 2, 5, 6, 2000].map((n) => Math.round(strategy.delay(n, high)))).toEqual([
      1000, 2000, 4000, 32000, 60000, 60000,
    ])
    expect([0, 1, 6].map((n) => strategy.delay(n, low))).toEqual([500, 1000, 30000])
    expect(new RetryStrategy({ initialDelay: 0 }).delay(2000, high)).toBe(0)
  })

  test('always lies between half the base and the base', () => {
    const numbers = fc.record({
      initialDelay: fc.nat(10_000),
      backoffFactor: fc.double({ min: 1, max: 10, noNaN: true }),
      maxDelay: fc.nat(100_000),
    })
    fc.assert(
      fc.property(numbers, fc.nat(1000), fc.integer(), (options, n, seed) => {
        const delay = new RetryStrategy(options).delay(n, new Rng(seed))
        const grown = options.initialDelay === 0 ? 0 : options.initialDelay * options.backoffFactor ** n
        const base = Math.min(grown, options.maxDelay)
        expect(delay).toBeGreaterThanOrEqual(base / 2)
        expect(delay).toBeLessThanOrEqual(base)
        expect(new RetryStrategy(options).delay(n, new Rng(seed))).toBe(delay)
      }),
    )
  })

  test.each([{ maxRetries: -1 }, { maxRetries: 1.5 }, { initialDelay: NaN }, { backoffFactor: 0.5 }, { maxDelay: -1 }])(
    'refuses %o',
    (options) => {
      expect(() => new RetryStrategy(options)).toThrow(RangeError)
    },
  )
})

test('what is retryable', () => {
  const reset = Object.assign(new Error('read'), { code: 'ECONNRESET' })
  expect(isRetryable(reset)).toBe(true)
  expect(isRetryable(new TypeError('fetch failed', { cause: reset }))).toBe(true)
  expect(isRetryable(new MillraceError('MR_TIMEOUT', 'slow', { retryable: true }))).toBe(true)
  // A MillraceError knows better than its cause.
  expect(isRetryable(new MillraceError('MR_CONFIG_INVALID', 'wrong', { cause: reset }))).toBe(false)
  for (const other of [
    new Error('x'),
    Object.assign(new Error('x'), { code: 'ENOENT' }),
    'ECONNRESET',
    null,
    undefined,
  ]) {
    expect(isRetryable(other)).toBe(false)
  }
})

describe('run', () => {
  const passing = () => Object.assign(new Error('reset'), { code: 'ECONNRESET' })
  const recorded = () => {
    const slept: number[] = []
    const clock: Clock = { now: () => 0, monotonic: () => 0, sleep: async (ms) => void slept.push(ms) }
    return { clock, slept }
  }

  test('tries again with growing delays, then gives the last error', async () => {
    const { clock, slept } = recorded()
    let calls = 0
    const failing = new RetryStrategy().run(
      async () => {
        calls++
        throw passing()
      },
      { clock, random: low },
    )
    await expect(failing).rejects.toThrow('reset')
    expect([calls, slept]).toEqual([4, [500, 1000, 2000]])
  })

  test('stops at success and at what retrying cannot mend', async () => {
    const { clock, slept } = recorded()
    const strategy = new RetryStrategy()
    const third = async (n: number) => {
      if (n < 3) throw passing()
      return n
    }
    expect(await strategy.run(third, { clock, random: low })).toBe(3)
    const never = async () => {
      throw new MillraceError('MR_CONFIG_INVALID', 'wrong')
    }
    await expect(strategy.run(never, { clock, random: low })).rejects.toThrow('wrong')
    expect(slept.length).toBe(2)
  })
})

test('the system clock sleeps, and wakes with MR_CANCELLED', async () => {
  const start = systemClock.monotonic()
  await systemClock.sleep(20)
  expect(systemClock.monotonic() - start).toBeGreaterThan(15)
  const controller = new AbortController()
  const sleeping = systemClock.sleep(60_000, controller.signal)
  controller.abort()
  await expect(sleeping).rejects.toMatchObject({ code: 'MR_CANCELLED' })
  await expect(systemClock.sleep(0, controller.signal)).rejects.toMatchObject({ code: 'MR_CANCELLED' })
})
