import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from '../config/load.js'
import { requireSteps, stepFaults } from './step-faults.js'

function load(columns: string) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-steps-'))
  const file = join(folder, 'p.yaml')
  writeFileSync(
    file,
    `pipeline_name: t\nversion: "1"\nlabel: y\ndata: {source_path: a.csv, output_path: out}\ntraining: {model_type: neural_network}\nfeatures:\n  columns:\n${columns}`,
  )
  const loaded = loadConfig(file)
  rmSync(folder, { recursive: true })
  return loaded
}

test('good steps, whatever type of column they are for', () => {
  const loaded = load(
    '    a: [{impute: mean}, log, {clip: [0, 1]}, standard]\n    b: [{impute: mode}, {one_hot: {max_categories: 5}}]\n',
  )
  expect(stepFaults(loaded)).toEqual([])
  expect(() => requireSteps(loaded)).not.toThrow()
})

test('every fault at once, each with its place', () => {
  const loaded = load('    a: [{clip: abc}]\n    b:\n      - nosuch\n      - impute: nope\n')
  const faults = stepFaults(loaded)
  expect(faults.map(({ code, at }) => [code, at?.line])).toEqual([
    ['MR_TRANSFORM_OPTIONS', 8],
    ['MR_TRANSFORM_UNKNOWN', 10],
    ['MR_TRANSFORM_OPTIONS', 11],
  ])
  expect(() => requireSteps(loaded)).toThrow('3 steps')
})
