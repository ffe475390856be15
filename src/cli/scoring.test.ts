import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loanModel } from '../../test/models.js'
import { openDuckDb } from '../etl/duckdb/engine.js'
import { scan } from '../etl/relation.js'
import { openPredictor } from '../serving/onnx-predictor.js'
import { type ScoreOptions, type Scored, scoreFile } from './scoring.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-scoring-'))
})
afterAll(async () => rm(folder, { recursive: true }))

const at = (name: string): string => join(folder, name)
const read = (name: string): Promise<string> => readFile(at(name), 'utf8')
async function score(options: Omit<ScoreOptions, 'predictor'>, model = loanModel()): Promise<Scored> {
  await using predictor = await openPredictor(model)
  return await scoreFile({ predictor, ...options })
}

const HEAD = 'id,income,children,owns home,city,since,"odd ""name"""'
const LINES = [
  '007,100,1,false,Oslo,2021-01-01 00:00:00,"a, b"',
  '008,,,,,,',
  '009,0.50,0,false,Rome,1999-01-01 10:00:00,z',
]

describe('scoreFile', () => {
  it('keeps a CSV as it is and adds prediction and probabilities', async () => {
    await writeFile(at('in.csv'), [HEAD, ...LINES, ''].join('\n'))
    const { rows, columns } = await score({ data: at('in.csv'), out: at('out.csv') })
    expect([rows, columns.slice(-3)]).toEqual([3, ['prediction', 'probability_no', 'probability_yes']])
    const [head, ...lines] = (await read('out.csv')).trimEnd().split('\n')
    expect(head).toBe(`${HEAD},prediction,probability_no,probability_yes`)
    expect(lines.map((line) => line.replace(/(,0\.\d+){2}$/, ''))).toEqual(
      LINES.map((line, i) => `${line},${['yes', 'yes', 'no'][i]}`),
    )
    expect(Number(lines[0]?.split(',').at(-1))).toBeCloseTo(1 / (1 + Math.exp(-3.5)), 6)
  })

  it('disarms formulas for spreadsheets where that is asked for, and leaves numbers and other texts alone', async () => {
    const cells = ['=1+1', '@SUM(A1)', '+cmd|calc', '-2+3', '-5', '+1.5e3', 'a=b', "'=x", '', '"\t=1"', '"=1,""2"""']
    const lines = cells.map((cell) => `100,1,true,Oslo,2021-01-01 00:00:00,${cell}`)
    await writeFile(at('formulas.csv'), ['income,children,owns home,city,since,=note', ...lines, ''].join('\n'))
    const notes = async (name: string) => {
      const [head, ...rows] = (await read(name)).trimEnd().split('\n')
      return [head?.split(',')[5], ...rows.map((row) => row.split(',').slice(5, -3).join(','))]
    }
    await score({ data: at('formulas.csv'), out: at('plain.csv') })
    expect(await notes('plain.csv')).toEqual(['=note', ...cells.map((cell) => (cell === '"\t=1"' ? '\t=1' : cell))])
    const escaped = [
      ...["'=note", "'=1+1", "'@SUM(A1)", "'+cmd|calc", "'-2+3", '-5', '+1.5e3', 'a=b', "'=x", '', "'\t=1"],
      `"'=1,""2"""`,
    ]
    await score({ data: at('formulas.csv'), out: at('escaped.csv'), escapeFormulas: true })
    expect(await notes('escaped.csv')).toEqual(escaped)
    // of a table with types, numbers are written as they were
    await score({ data: at('formulas.csv'), out: at('formulas.parquet') })
    await score({ data: at('formulas.parquet'), out: at('typed.csv'), escapeFormulas: true, replace: true })
    expect(await notes('typed.csv')).toEqual(escaped)
    await expect(
      score({ data: at('formulas.csv'), out: at('escaped.jsonl'), escapeFormulas: true }),
    ).rejects.toMatchObject({ code: 'MR_USAGE' })
  })

  it('goes from CSV to Parquet with types, and from there to JSON lines, in order, over several row groups', async () => {
    const many = Array.from(
      { length: 260_000 },
      (_, i) => `${String(i).padStart(7, '0')},${i},1,true,Oslo,2021-01-01 00:00:00,x`,
    )
    await writeFile(at('many.csv'), [HEAD, ...many, ''].join('\n'))
    const seen: number[] = []
    await score({ data: at('many.csv'), out: at('many.parquet'), progress: (rows) => seen.push(rows) })
    expect(seen.at(-1)).toBe(260_000)
    await using engine = await openDuckDb()
    const { source, schema } = await engine.inferSchema({ format: 'parquet', paths: [at('many.parquet')] })
    const type = (name: string) => schema.find((field) => field.name === name)?.type
    expect(['id', 'income', 'owns home', 'since', 'prediction'].map(type)).toEqual([
      ...['text', 'integer', 'boolean', 'timestamp', 'text'],
    ])
    let next = 0
    for await (const { columns, rows } of engine.query(scan(source, schema)).batches())
      for (let r = 0; r < rows; r++, next++)
        if ((columns[1] as Float64Array)[r] !== next || Number(columns[0]?.[r]) !== next) throw new Error(`row ${next}`)
    expect(next).toBe(260_000)
    await score({ data: at('many.parquet'), out: at('many.jsonl'), replace: true })
    const first = JSON.parse((await read('many.jsonl')).split('\n')[1] as string) as object
    expect(first).toMatchObject({ id: '0000001', income: 1, 'owns home': true, prediction: 'yes' })
  }, 60_000)

  it('keeps JSON values as they are, nested ones too', async () => {
    const row = { income: 1.5, children: 0, 'owns home': false, city: 'Rome', since: null, more: { a: [1, 'x'] } }
    await writeFile(at('in.jsonl'), `${JSON.stringify(row)}\n`)
    await score({ data: at('in.jsonl'), out: at('out.jsonl') })
    expect(JSON.parse(await read('out.jsonl'))).toMatchObject({ ...row, prediction: 'no' })
  })

  it('adds only the prediction for regression, and to no rows only its columns', async () => {
    await writeFile(at('none.csv'), `${HEAD}\n`)
    const { rows } = await score({ data: at('none.csv'), out: at('none-out.csv') }, loanModel({ regression: true }))
    expect([rows, await read('none-out.csv')]).toEqual([0, `${HEAD},prediction\n`])
  })

  it('takes hostile column and class names', async () => {
    const names = ['__proto__', 'select', 'a "b"', "it's", '🙂 x']
    const types = ['number', 'integer', 'boolean', 'text', 'timestamp'] as const
    const inputs = names.map((name, i) => ({ name, type: types[i]! }))
    await writeFile(at('odd.csv'), '__proto__,select,"a ""b""",it\'s,🙂 x\n1,2,true,Oslo,\n')
    const model = loanModel({ inputs, classes: ['a"b', "c'; DROP TABLE x"] })
    const { columns } = await score({ data: at('odd.csv'), out: at('odd-out.csv') }, model)
    expect(columns.slice(-2)).toEqual(['probability_a"b', "probability_c'; DROP TABLE x"])
    expect(await read('odd-out.csv')).toContain("1,2,true,Oslo,,c'; DROP TABLE x,")
  })

  it('refuses clearly and leaves nothing behind', async () => {
    await writeFile(at('bad.csv'), 'income,Children,owns home,city,since\n1,1,true,Oslo,\n')
    await writeFile(at('word.csv'), 'income,children,owns home,city,since\n1,1,true,Oslo,\nmuch,1,true,Oslo,\n')
    await writeFile(at('old.csv'), 'income,children,owns home,city,since,Prediction\n1,1,true,Oslo,,no\n')
    const before = await readdir(folder)
    const tries: [Omit<ScoreOptions, 'predictor'>, string, string][] = [
      [{ data: at('bad.csv'), out: at('x.csv') }, 'MR_PREDICT_COLUMN', '"children"'],
      [{ data: at('word.csv'), out: at('x.csv') }, 'MR_SOURCE_TYPE', 'much'],
      [{ data: at('old.csv'), out: at('x.csv') }, 'MR_PREDICT_CLASH', '"Prediction"'],
      [{ data: at('old.csv'), out: at('old.csv'), replace: true }, 'MR_FILE_EXISTS', 'old.csv'],
      [{ data: at('none.parquet'), out: at('x.csv') }, 'MR_FILE_MISSING', 'none.parquet'],
      [{ data: at('bad.csv'), out: at('x.txt') }, 'MR_USAGE', 'format'],
      [{ data: at('bad.csv'), out: at('no/x.csv') }, 'MR_FILE_MISSING', 'no folder'],
      [{ data: at('old.csv'), out: at('x.csv'), replace: true, signal: AbortSignal.abort() }, 'MR_CANCELLED', ''],
    ]
    for (const [options, code, words] of tries)
      await expect(score(options), code).rejects.toMatchObject({
        code,
        message: expect.stringContaining(words) as string,
      })
    expect(await readdir(folder)).toEqual(before)
    await score({ data: at('old.csv'), out: at('old.csv'), replace: true, force: true })
    expect(await read('old.csv')).toMatch(/^income,children,owns home,city,since,prediction,probability_no/)
  })
})
