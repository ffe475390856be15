/** What a person reads, kept as golden files: the help of each command, a check, a run, a second run, and what looks at runs. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { STAGES } from '../stages/pipeline-stages.js'
import { golden } from '../../test/golden.js'
import { execute } from './program.js'
import type { Verb } from './verb.js'
import { VERBS } from './verbs.js'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-screens-')))
const [before, npm] = [process.cwd(), process.env['npm_execpath']]
// as from a shell, not from npm
delete process.env['npm_execpath']
afterAll(() => {
  process.chdir(before)
  if (npm !== undefined) process.env['npm_execpath'] = npm
  rmSync(folder, { recursive: true })
})

const signal = new AbortController().signal

interface Result {
  readonly code: number
  readonly text: string
}

/** What stands on the screen after a command in a folder; what differs from run to run is masked. */
async function millrace(cwd: string, ...args: string[]): Promise<Result> {
  let text = ''
  const stream = { write: (more: string) => Boolean((text += more)) }
  process.chdir(cwd)
  const code = await execute(args, { stdout: stream, stderr: stream, env: {}, signal })
  return { code, text: masked(text) }
}

const masked = (text: string): string =>
  text
    .replaceAll(folder, '/work')
    .replace(/\b\d{8}-\d{6}-[0-9a-f]{6}\b/g, 'RUN')
    .replace(/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b/g, 'YYYY-MM-DD hh:mm:ss')
    .replace(/\b[\d.]+ (?:ms|s|min \d\d s)(?=\W|$)/g, 'TIME')
    .replace(/^on this machine \(.*\)$/m, 'on this machine (…)')
    .replace(/^( {2}data {5}duckdb), .*$/m, '$1, …')
    // beside pack and train, whichever ends first
    .replace(
      /^(pack .*\n)(train .*\n)?(publish .*\n)/m,
      (_, pack: string, train = '', publish: string) => publish + pack + String(train),
    )

const ROWS = Array.from(
  { length: 300 },
  (_, i) => `c${i},${i % 60},${i % 3 === 0 ? 'basic' : 'plus'},${i % 60 < 20 ? 'yes' : 'no'}`,
)
const PIPELINE = `pipeline_name: left
version: 1
label: left
entity: id
data:
  source_path: customers.csv
  output_path: output
  validation_rules: {unique_columns: [id], value_ranges: {months: [0, 120]}}
training: {model_type: logistic_regression, max_epochs: 30, learning_rate: 0.1, batch_size: 32}
evaluation: {bootstrap: 50}
gate: {metric: roc_auc, minimum: 0.9}
leak_check: {allow: [months]}
`

describe('help', () => {
  const all = (verbs: readonly Verb[], before: readonly string[] = []): readonly (readonly string[])[] =>
    verbs.flatMap(({ name, verbs: inner = [] }) => [[...before, name], ...all(inner, [...before, name])])

  it.each([[[]], ...all(VERBS).map((words) => [words])])('%j', async (words) => {
    const { code, text } = await millrace(folder, ...words, '--help')
    expect(code).toBe(0)
    golden(`cli/help/${['millrace', ...words].join('-')}.txt`, text)
  })
})

/** Two stages at a time end in an order of their own: each with the lines before it, in the order of the pipeline. */
function inOrder(text: string): string {
  const lines = text.split('\n')
  const stageOf = (line: string): number =>
    STAGES.findIndex((name) => line.startsWith(`${name} `) && /(?:TIME|from run RUN)$/.test(line))
  const [first, last] = [
    lines.findIndex((line) => stageOf(line) >= 0),
    lines.findLastIndex((line) => stageOf(line) >= 0),
  ]
  if (first < 0) return text
  let start = first
  while (lines[start - 1]?.startsWith(' ') === true) start--
  const blocks: { readonly stage: number; readonly lines: readonly string[] }[] = []
  let waiting: string[] = []
  for (const line of lines.slice(start, last + 1)) {
    waiting.push(line)
    if (stageOf(line) < 0) continue
    blocks.push({ stage: stageOf(line), lines: waiting })
    waiting = []
  }
  blocks.sort((a, b) => a.stage - b.stage)
  return [...lines.slice(0, start), ...blocks.flatMap((block) => block.lines), ...lines.slice(last + 1)].join('\n')
}

describe('a first afternoon', () => {
  const project = join(folder, 'project')
  const screens: string[] = []
  const type = async (cwd: string, ...args: string[]): Promise<Result> => {
    const result = await millrace(cwd, ...args)
    screens.push(
      `$ millrace ${args.join(' ')}\n${inOrder(result.text)}${result.code === 0 ? '' : `(exit code ${result.code})\n`}\n`,
    )
    return result
  }
  beforeAll(() => {
    mkdirSync(project)
    writeFileSync(join(project, 'customers.csv'), ['id,months,plan,left', ...ROWS].join('\n'))
    writeFileSync(join(project, 'pipeline.yaml'), PIPELINE)
  })

  it('reads as it should', { timeout: 120_000 }, async () => {
    for (const words of ['status', 'runs', 'open', 'resume', 'models', 'serve models:/left@champion'])
      expect((await type(project, ...words.split(' '))).code, words).toBe(2)
    for (const words of [
      'check pipeline.yaml',
      'run pipeline.yaml',
      'run pipeline.yaml',
      'explain pipeline.yaml --set training.batch_size=64 --set gate.minimum=0.95',
      'runs',
      'status',
      'models',
      'open --print',
      'predict models:/left@champion customers.csv --out scored.csv',
    ])
      expect((await type(project, ...words.split(' '))).code, words).toBe(0)
    // somewhere else, with the home named
    expect((await type(folder, 'run', 'project/pipeline.yaml', '--set', 'gate.minimum=1.1')).code).toBe(3)
    for (const words of [
      'status nope --home project/.millrace',
      'chek',
      'models lefd --home project/.millrace',
      'serve models:/left@champio --home project/.millrace',
      'explain project/pipeline.yaml tran',
      'run project/pipeline.yaml --seed x',
      'predict models:/left@champion project/customers.csv --home project/.millrace',
    ])
      expect((await type(folder, ...words.split(' '))).code, words).toBe(2)
    writeFileSync(join(project, 'customers.csv'), ['id,months,plan,left', ...ROWS.slice(0, 40)].join('\n'))
    expect((await type(folder, 'explain', 'project/pipeline.yaml', 'extract')).code).toBe(0)
    writeFileSync(join(project, 'customers.csv'), 'id,months,plan,left\n')
    expect((await type(folder, 'run', 'project/pipeline.yaml')).code).toBe(2)
    expect((await type(folder, 'status', '--home', 'project/.millrace')).code).toBe(0)
    golden('cli/first-afternoon.txt', screens.join(''))
  })
})
