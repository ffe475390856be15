import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromYaml } from '../config/load.js'
import { openDuckDb } from '../etl/duckdb/engine.js'
import type { Engine } from '../etl/engine.js'
import { expandSource } from '../etl/source.js'
import { golden } from '../../test/golden.js'
import { lookAt, propose } from './proposal.js'
import { proposalYaml, scalar } from './proposal-yaml.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-proposal-'))
let engine: Engine
beforeAll(async () => {
  engine = await openDuckDb({ threads: 2, tempFolder: folder })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** Writes `rows` as CSV and looks at it. */
async function look(header: readonly string[], rows: readonly (readonly unknown[])[], label: string) {
  const path = join(folder, 'data.csv')
  const cell = (value: unknown) => {
    const text = String(value)
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  writeFileSync(path, `${[header, ...rows].map((row) => row.map(cell).join(',')).join('\n')}\n`)
  const { source, schema } = await engine.inferSchema(await expandSource(path))
  return lookAt(engine, source, schema, label, new AbortController().signal)
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i)
const facts = { pipelineName: 'data', sourcePath: 'data.csv', outputPath: 'output/data' }

describe('the pipeline proposed for a table', () => {
  it('leaves out identifiers, running numbers, constants and empty columns, and keeps what only looks like one', async () => {
    const found = propose(
      await look(
        ['customerID', 'row', 'salary', 'country', 'note', 'city', 'left'],
        range(40).map((i) => [
          `c-${i * 7}`,
          i + 1,
          1000 + i * i,
          'DE',
          '',
          `city ${i % 3}`,
          i % 3 === 0 ? 'yes' : 'no',
        ]),
        'left',
      ),
    )
    expect(found.exclude.map(({ name, reason }) => ({ name, reason }))).toEqual([
      { name: 'customerID', reason: 'it is different in every row: an identifier' },
      { name: 'row', reason: 'it is different in every row, a running number' },
      { name: 'country', reason: 'it is the same in every row' },
      { name: 'note', reason: 'it holds no value' },
    ])
    expect(found.entity?.value).toBe('customerID')
    expect(found.positive).toEqual({ value: 'yes', reason: 'the class of interest' })
    expect(found.split.value).toBe('stratified')
    expect(found.ranges).toEqual([{ name: 'salary', low: 0, high: 5000 }])
    expect(found.classWeights).toBeUndefined()
  })

  it('clips what lies far outside of all the rest, and only that', async () => {
    const found = propose(
      await look(
        ['wild', 'long', 'fee', 'label', 'price'],
        range(5000).map((i) => [
          i === 7 ? 1e6 : i === 8 ? -1e6 : (i % 100) / 10,
          Math.exp((i % 1000) / 100).toFixed(3),
          `$ ${(i * 7.5).toFixed(2)}`,
          i % 3,
          i === 9 ? 4e5 : ((i * 13) % 997) / 10,
        ]),
        'price',
      ),
    )
    expect(found.clips).toEqual([{ name: 'wild', low: -5, high: 20 }])
    expect(found.labelRange).toEqual({ low: 0, high: 1000 })
    expect(found.exclude).toEqual([
      { name: 'fee', reason: expect.stringContaining('write them plainly') as string, isConstant: false },
      { name: 'label', reason: expect.stringContaining('rename the column') as string, isConstant: true },
    ])
  })

  it('balances a rare class and takes it for the positive one', async () => {
    const found = propose(
      await look(
        ['x', 'y'],
        range(100).map((i) => [i % 10, i < 5 ? 'b' : 'a']),
        'y',
      ),
    )
    expect(found.classWeights?.reason).toBe('only 5 of 100 rows are "b"')
    expect(found.positive?.value).toBe('b')
  })

  it('takes numbers with many values for a regression, with few for classes', async () => {
    const many = await look(
      ['x', 'y'],
      range(60).map((i) => [i % 7, i * 1.5]),
      'y',
    )
    expect(many.task).toEqual({ kind: 'regression' })
    expect(propose(many)).toMatchObject({ split: { value: 'hash' }, positive: undefined })
    const few = await look(
      ['x', 'y'],
      range(60).map((i) => [i * 0.5, i % 3]),
      'y',
    )
    expect(few.task).toMatchObject({ kind: 'classification', classes: ['0', '1', '2'] })
    expect(propose(few).positive).toBeUndefined()
  })

  it('splits by time where rows have times of their own, not by a date of birth', async () => {
    const day = (i: number) => new Date(Date.UTC(2024, 0, 1 + i)).toISOString().slice(0, 10)
    const events = propose(
      await look(
        ['at', 'x', 'y'],
        range(60).map((i) => [day(i), i % 5, i % 2]),
        'y',
      ),
    )
    expect(events).toMatchObject({ timestamp: { value: 'at' }, split: { value: 'time' } })
    const people = propose(
      await look(
        ['birth_date', 'x', 'y'],
        range(60).map((i) => [day(i), i % 5, i % 2]),
        'y',
      ),
    )
    expect(people).toMatchObject({ timestamp: undefined, split: { value: 'stratified' } })
    const coarse = propose(
      await look(
        ['month', 'x', 'y'],
        range(60).map((i) => [day(i % 2), i % 5, i % 2]),
        'y',
      ),
    )
    expect(coarse).toMatchObject({ timestamp: { value: 'month' }, split: { value: 'stratified' } })
  })

  it('draws ranges around what is there, on both sides of zero', async () => {
    const found = propose(
      await look(
        ['t', 'loss', 'y'],
        range(40).map((i) => [i - 20, -i - 1, i % 2]),
        'y',
      ),
    )
    expect(found.ranges).toEqual([
      { name: 't', low: -100, high: 100 },
      { name: 'loss', low: -100, high: 0 },
    ])
  })

  it('refuses a label that cannot be learnt, with the nearest column and the list', async () => {
    const rows = range(30).map((i) => [i, `t${i}`, 'same', i % 2])
    const header = ['x', 'text', 'constant', 'churned']
    await expect(look(header, rows, 'churnd')).rejects.toMatchObject({
      message: expect.stringContaining("did you mean 'churned'") as string,
      hint: 'columns: x, text, constant, churned',
    })
    await expect(look(header, rows, 'constant')).rejects.toMatchObject({ code: 'MR_LABEL_ONE_CLASS' })
  })

  it('is written as a file that loads as what was proposed', async () => {
    const seen = await look(
      ['id', 'amount', 'segment', 'churned'],
      range(50).map((i) => [`k${i}`, i * 2.5 - 3, ['a', 'b', 'c'][i % 3], i % 13 === 0 ? 1 : 0]),
      'churned',
    )
    const text = proposalYaml(seen, propose(seen), facts)
    golden('cli/init.yaml', text)
    expect(fromYaml(text)).toMatchObject({
      label: 'churned',
      positive: '1',
      entity: 'id',
      features: { exclude: ['id'] },
    })
  })

  it('survives hostile names and values', async () => {
    const names = ['a: b', 'say "hi"', '# no', '${HOME}', 'données 🙂', '- x', "it's", 'yes', 'v1.50', 'x\ny', 'select']
    const rows = range(40).map((i) => [...names.map((_, k) => i * (k + 1) + 0.5), i % 2 ? '${X} # "' : 'no\n: -'])
    const seen = await look([...names, 'the: label'], rows, 'the: label')
    const config = fromYaml(proposalYaml(seen, propose(seen), facts), 'p.yaml', { env: {} })
    expect(config.label).toBe('the: label')
    expect(Object.keys(config.data.validation_rules.value_ranges)).toEqual(names)
    expect(config.data.validation_rules.required_columns).toEqual([...names, 'the: label'])
    expect(['${X} # "', 'no\n: -']).toContain(config.positive)
  })

  it('works on a single row of each class', async () => {
    const seen = await look(
      ['x', 'y'],
      [
        [1, 'a'],
        [2, 'b'],
      ],
      'y',
    )
    const config = fromYaml(proposalYaml(seen, propose(seen), facts))
    expect(config.data.validation_rules.min_records).toBe(1)
    expect(config.features.exclude).toEqual([])
  })
})

describe('scalars', () => {
  it.each([
    ['plain_name', 'plain_name'],
    ['a/b.csv', 'a/b.csv'],
    ['yes', '"yes"'],
    ['1', '"1"'],
    ['a b', '"a b"'],
    ['${A}', '"$${A}"'],
    ['\u2028', '"\\u2028"'],
  ])('%j', (text, yaml) => expect(scalar(text)).toBe(yaml))
})
