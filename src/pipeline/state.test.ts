/** The fold over events: pure and idempotent, on histories that could and could not happen. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RunEvent } from './events.js'
import { applyEvent, applyEvents, foldRun } from './state.js'

const stage = fc.constantFrom('a', 'b', 'c', 'unknown')
const stages = [
  { name: 'a', version: 1, after: [] },
  { name: 'b', version: 1, after: ['a'] },
  { name: 'c', version: 1, after: ['a'] },
]
const ref = { digest: `sha256:${'0'.repeat(64)}`, mediaType: 'x', size: 1 } as const
const error = { code: 'MR_STAGE_FAILED', message: 'broke' }
const about = { run: fc.constantFrom('r', 'other'), time: fc.nat(50), stage }
const start = {
  type: 'run-started',
  run: 'r',
  time: 1,
  name: 'p',
  config: {},
  seed: 1,
  versions: {},
  argv: [],
  force: false,
  stages,
} as const
const is = <T extends string>(type: T) => fc.constant(type)

const event: fc.Arbitrary<RunEvent> = fc.oneof(
  fc.record({
    ...about,
    type: is('stage-started'),
    attempt: fc.integer({ min: 1, max: 4 }),
    version: fc.constant(1),
    inputs: fc.constant({}),
    fingerprint: fc.constant(null),
  }),
  fc.record({
    ...about,
    type: is('stage-log'),
    level: fc.constantFrom('info', 'warn'),
    message: fc.constantFrom('x', 'y'),
  }),
  fc.record({
    ...about,
    type: is('stage-attached'),
    name: fc.constantFrom('report', 'page'),
    artifact: fc.constant(ref),
  }),
  fc.record({
    ...about,
    type: is('stage-checkpoint'),
    base: fc.constant('b'),
    inputs: fc.constant({}),
    reads: fc.constant([]),
    state: fc.constant(ref),
  }),
  fc.record({
    ...about,
    type: is('stage-succeeded'),
    version: fc.constant(1),
    base: fc.constant('b'),
    key: fc.constant('k'),
    inputs: fc.constant({}),
    fingerprint: fc.constant(null),
    reads: fc.constant([]),
    outputs: fc.constant({ x: ref }),
    seconds: fc.nat(9),
    attempts: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ ...about, type: is('stage-failed'), error: fc.constant(error), seconds: fc.nat(9), attempts: fc.nat(4) }),
  fc.record({
    ...about,
    type: is('stage-retrying'),
    attempt: fc.integer({ min: 1, max: 4 }),
    delay: fc.nat(),
    error: fc.constant(error),
  }),
  fc.record({ ...about, type: is('stage-skipped'), because: stage }),
  fc.record({
    ...about,
    type: is('stage-cached'),
    from: fc.constant('q'),
    key: fc.constant('k'),
    outputs: fc.constant({ x: ref }),
  }),
  fc.record({
    run: about.run,
    time: about.time,
    type: is('run-resumed'),
    versions: fc.constant({}),
    stages: fc.constant(stages),
  }),
  fc.record({
    run: about.run,
    time: about.time,
    type: is('run-finished'),
    status: fc.constantFrom('success', 'failed', 'cancelled'),
    seconds: fc.nat(9),
  }),
)
const history = fc.array(event, { maxLength: 40 }).map((events): RunEvent[] => [start, ...events])

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value)
    Object.values(value).forEach(freeze)
  }
  return value
}

test('one by one or all at once, and the whole history twice: the same state, and nothing is changed in place', () => {
  fc.assert(
    fc.property(history, (events) => {
      freeze(events)
      const state = freeze(applyEvents(undefined, events))
      let stepwise = applyEvent(undefined, start)
      for (const next of events.slice(1)) stepwise = applyEvent(freeze(stepwise), next)
      expect(stepwise).toEqual(state)
      expect(applyEvents(state, events)).toEqual(state)
      expect(applyEvents(undefined, [...events, ...events])).toEqual(state)
    }),
  )
})

test('an event twice in turn is as once', () => {
  fc.assert(
    fc.property(history, (events) => {
      expect(
        applyEvents(
          undefined,
          events.flatMap((next) => [next, next]),
        ),
      ).toEqual(applyEvents(undefined, events))
    }),
  )
})

test('events of other runs and before the start change nothing', async () => {
  const state = applyEvent(undefined, start)
  expect(applyEvent(state, { type: 'run-finished', run: 'other', time: 2, status: 'failed', seconds: 1 })).toEqual(
    state,
  )
  expect(await foldRun([{ type: 'run-finished', run: 'r', time: 2, status: 'failed', seconds: 1 }])).toBeUndefined()
  expect(await foldRun([])).toBeUndefined()
})
