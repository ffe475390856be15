/** Which failures are tried again, and when. */
import { status } from '@grpc/grpc-js'
import { expect, it } from 'vitest'
import type { Failure } from './failure.js'
import { PATIENT, retryDelay } from './retry.js'

const failed = (code: status, message = '', more: Partial<Failure> = {}): Failure => ({
  ...{ code, message, unsent: false },
  ...more,
})
const half = { uniform: () => 0.5 }
const away = failed(status.UNAVAILABLE)

it('waits four times longer each time, up to a minute, with jitter from two seconds on', () => {
  const delays = Array.from({ length: 16 }, (_, attempt) => retryDelay(PATIENT, attempt, away, half))
  expect(delays).toEqual([50, 200, 800, 3450, 13_050, 51_450, ...Array<number>(9).fill(60_250), undefined])
  const total = delays.reduce<number>((sum, delay) => sum + (delay ?? 0), 0)
  expect(total).toBeGreaterThan(600_000)
})

it('tries again what passes, and nothing else', () => {
  const again = [
    away,
    failed(status.INTERNAL, '[INVALID_CURSOR.DISCONNECTED] x'),
    failed(status.INTERNAL, 'Received RST_STREAM with code 2'),
  ]
  for (const failure of again) expect(retryDelay(PATIENT, 0, failure, half)).toBe(50)
  const final = [
    failed(status.INTERNAL, '[PARSE_SYNTAX_ERROR]'),
    failed(status.UNAUTHENTICATED),
    failed(status.DEADLINE_EXCEEDED),
  ]
  for (const failure of final) expect(retryDelay(PATIENT, 0, failure, half)).toBeUndefined()
})

it('waits as long as the server asks, ten minutes at most', () => {
  const asked = (retryDelay: number) => failed(status.RESOURCE_EXHAUSTED, '', { retryDelay })
  expect(retryDelay(PATIENT, 0, asked(1000), half)).toBe(1000)
  expect(retryDelay(PATIENT, 0, asked(5000), half)).toBe(5250)
  expect(retryDelay(PATIENT, 0, asked(0), half)).toBe(50)
  expect(retryDelay(PATIENT, 0, asked(1e9), half)).toBe(600_250)
})

it('tries nothing again once it has waited for ten minutes, but what the server itself puts off', () => {
  expect(retryDelay(PATIENT, 3, away, half, 599_999)).toBe(3450)
  expect(retryDelay(PATIENT, 3, away, half, 600_000)).toBeUndefined()
  expect(retryDelay(PATIENT, 0, failed(status.RESOURCE_EXHAUSTED, '', { retryDelay: 100 }), half, 700_000)).toBe(100)
})
