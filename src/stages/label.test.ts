import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fromYaml } from '../config/load.js'
import type { PipelineConfig } from '../config/config.js'
import { canonicalJson } from '../core/json.js'
import type { Task } from '../core/schema.js'
import { openDuckDb } from '../etl/duckdb/engine.js'
import type { Engine } from '../etl/engine.js'
import { project, scan } from '../etl/relation.js'
import { expandSource } from '../etl/source.js'
import { findTask, labelField, labelValue } from './label.js'

let folder: string
let engine: Engine
const signal = new AbortController().signal

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-label-'))
  engine = await openDuckDb({ tempFolder: folder })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

function config(label: string, more = ''): PipelineConfig {
  return fromYaml(
    `pipeline_name: t\nversion: "1"\nlabel: ${label}\ndata: {source_path: a.csv, output_path: out}\ntraining: {model_type: neural_network}\n${more}`,
  )
}

async function tableOf(values: readonly string[]) {
  const file = join(folder, `${Math.abs(values.join().length)}-${values.length}-${values[0] ?? ''}.csv`)
  await writeFile(file, `y,x\n${values.map((value, i) => `${value},${i}`).join('\n')}\n`)
  const { source, schema } = await engine.inferSchema(await expandSource(file))
  return scan(source, schema)
}

const taskOf = async (values: readonly string[], more = ''): Promise<Task> =>
  findTask(engine, await tableOf(values), config('y', more), signal)

describe('findTask', () => {
  test.each([
    ['text', ['b', 'a', 'b', 'Ä'], ['a', 'b', 'Ä']],
    ['booleans', ['true', 'false', 'true'], ['false', 'true']],
    ['whole numbers, by value', ['10', '9', '-1', '9'], ['-1', '9', '10']],
    ['whole numbers written as fractions', ['1.0', '2.0', '1.0'], ['1', '2']],
  ])('%s are classes in ascending order', async (_, values, classes) => {
    const task = await taskOf(values)
    expect(task).toMatchObject({ kind: 'classification', classes })
    // a task is kept in documents: an undefined key would be a fault there
    expect(JSON.parse(canonicalJson(task))).toEqual(task)
    if (task.kind === 'classification') expect(task.positive).toBe(classes.length === 2 ? classes[1] : undefined)
  })

  test.each([
    ['fractions', ['1.5', '2.25', '3']],
    ['many whole numbers', Array.from({ length: 50 }, (_, i) => String(i))],
  ])('%s are a regression', async (_, values) => {
    expect(await taskOf(values)).toEqual({ kind: 'regression' })
  })

  test('the file can say otherwise', async () => {
    const many = await tableOf(Array.from({ length: 50 }, (_, i) => String(i)))
    const asked = config('y').training
    const classification = { ...config('y'), training: { ...asked, task: 'classification' as const } }
    expect(await findTask(engine, many, classification, signal)).toMatchObject({ kind: 'classification' })
    const few = await tableOf(['0', '1', '0', '1'])
    const regression = { ...config('y'), training: { ...asked, task: 'regression' as const } }
    expect(await findTask(engine, few, regression, signal)).toEqual({ kind: 'regression' })
  })

  test.each([
    [['yes', 'yes'], 'MR_LABEL_ONE_CLASS', "'yes' in every row"],
    [['', ''], 'MR_LABEL_ONE_CLASS', 'missing'],
    [[], 'MR_LABEL_ONE_CLASS', 'there are no rows'],
    [['5.5', '5.5'], 'MR_LABEL_ONE_CLASS', 'the same in every row'],
    [['7', '7'], 'MR_LABEL_ONE_CLASS', "'7' in every row"],
    [Array.from({ length: 1001 }, (_, i) => `"${i},50"`), 'MR_LABEL_TYPE', '1001 different values'],
  ])('refuses %j', async (values, code, words) => {
    await expect(taskOf(values)).rejects.toMatchObject({ code })
    await expect(taskOf(values)).rejects.toThrow(words)
  })

  test('a positive class of three', async () => {
    await expect(taskOf(['a', 'b', 'c'], 'positive: b')).rejects.toThrow('only of two')
  })

  test('a positive class that is none', async () => {
    await expect(taskOf(['a', 'b'], 'positive: c')).rejects.toMatchObject({
      code: 'MR_LABEL_POSITIVE',
      hint: 'classes: a, b',
    })
  })
})

test('an unknown label names the nearest column', () => {
  const schema = [{ name: 'churned', type: 'text' as const }]
  expect(() => labelField(config('churn'), schema)).toThrow("did you mean 'churned'")
})

test('class indices follow the order of the classes', async () => {
  const table = await tableOf(['10', '9', '-1'])
  const task: Task = { kind: 'classification', classes: ['-1', '9', '10'], positive: undefined }
  const rows = await engine.rows(project(table, [{ name: 'k', expr: labelValue('y', 'integer', task) }]))
  expect(rows.map((row) => Number(row['k']))).toEqual([2, 1, 0])
})
