/** Which inputs a stage looked at, and when they count as changed. */
import { expect, test } from 'vitest'
import type { ArtifactRef } from '../core/artifacts.js'
import { changedInputs, inputDigests, recordInputs } from './identity.js'

const ref = (digit: string): ArtifactRef => ({ digest: `sha256:${digit.repeat(64)}`, mediaType: 'x', size: 1 })
const inputs = { validate: { table: ref('1'), report: ref('2') }, train: { weights: ref('3') } }

test('only what was looked at counts', () => {
  const recorded = recordInputs(inputs)
  expect(recorded.inputs['validate']?.['table']).toEqual(ref('1'))
  const used = recorded.used()
  expect(used).toEqual({ validate: { table: ref('1').digest } })
  const other = { ...inputs, validate: { table: ref('1'), report: ref('9') }, train: { weights: ref('9') } }
  expect(changedInputs(used, inputDigests(other))).toEqual([])
  expect(changedInputs(used, inputDigests({ ...inputs, validate: { table: ref('4') } }))).toEqual([
    { stage: 'validate', output: 'table', from: ref('1').digest, to: ref('4').digest },
  ])
})

test('looking for what is not there counts', () => {
  const recorded = recordInputs(inputs)
  expect(recorded.inputs['validate']?.['quarantine']).toBeUndefined()
  const used = recorded.used()
  expect(changedInputs(used, inputDigests(inputs))).toEqual([])
  const now = { ...inputs, validate: { ...inputs.validate, quarantine: ref('5') } }
  expect(changedInputs(used, inputDigests(now))).toHaveLength(1)
})

test('listing counts as looking at all, also at what comes to be there later', () => {
  const recorded = recordInputs(inputs)
  expect(Object.keys(recorded.inputs['train'] ?? {})).toEqual(['weights'])
  const used = recorded.used()
  expect(changedInputs(used, inputDigests(inputs))).toEqual([])
  expect(changedInputs(used, inputDigests({ ...inputs, train: { ...inputs.train, curve: ref('6') } }))).toHaveLength(1)
  expect(changedInputs(used, inputDigests({ ...inputs, validate: {} }))).toEqual([])
})

test('what an attempt looked at before it was interrupted counts for the one that goes on', () => {
  const first = recordInputs(inputs)
  void first.inputs['train']?.['weights']
  const second = recordInputs(inputs, first.used())
  void second.inputs['validate']?.['table']
  expect(Object.keys(second.used())).toEqual(['train', 'validate'])
})
