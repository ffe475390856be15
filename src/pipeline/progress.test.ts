/** Rates and times left. */
import { expect, test } from 'vitest'
import { ProgressMeter } from './progress.js'

test('rate and time left from the last half minute', () => {
  const meter = new ProgressMeter()
  expect(meter.update({ unit: 'rows', done: 0, total: 1000 }, 0)).toEqual({ unit: 'rows', done: 0, total: 1000 })
  expect(meter.update({ unit: 'rows', done: 5, total: 1000 }, 50)).toBeUndefined() // too fresh
  expect(meter.update({ unit: 'rows', done: 100, total: 1000 }, 1000)).toMatchObject({
    rate: 100,
    estimatedSecondsLeft: 9,
  })
  // Faster now: the slow beginning falls out of the window.
  for (let t = 2; t <= 60; t++) meter.update({ unit: 'rows', done: 100 + t, total: 1000 }, t * 1000)
  expect(meter.update({ unit: 'rows', done: 161, total: 1000 }, 61_000)?.rate).toBeCloseTo(1, 10)
  expect(meter.update({ unit: 'rows', done: 1000, total: 1000 }, 61_001)).toMatchObject({ estimatedSecondsLeft: 0 })
})

test('slow units have a rate, others start anew, none without two points', () => {
  const meter = new ProgressMeter()
  meter.update({ unit: 'epoch', done: 1, total: 10 }, 0)
  meter.update({ unit: 'epoch', done: 2, total: 10 }, 120_000)
  expect(meter.update({ unit: 'epoch', done: 3, total: 10 }, 240_000)?.estimatedSecondsLeft).toBeCloseTo(840, 6)
  expect(meter.update({ unit: 'rows', done: 5 }, 240_001)).toEqual({ unit: 'rows', done: 5 })
  expect(meter.update({ unit: 'rows', done: 5 }, 241_000)).toEqual({ unit: 'rows', done: 5, rate: 0 })
  expect(meter.update({ unit: 'rows', done: 1, total: 9 }, 242_000)).toEqual({ unit: 'rows', done: 1, total: 9 })
  expect(meter.update({ unit: 'rows', done: 1, total: 9 }, 243_000)).toEqual({
    unit: 'rows',
    done: 1,
    total: 9,
    rate: 0,
  })
})
