/** The command line as a person meets it: real processes, their output and exit codes. */
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { fromYaml } from '../config/load.js'
import { golden } from '../../test/golden.js'
import { run as check } from './commands/check.js'
import { run as doctor } from './commands/doctor.js'
import { run as init } from './commands/init.js'
import { Output } from './output.js'
import { VERBS } from './verbs.js'
import type { Call, Command, Verb } from './verb.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
afterAll(() => rmSync(folder, { recursive: true }))

const main = fileURLToPath(new URL('./main.ts', import.meta.url))
const tsx = fileURLToPath(import.meta.resolve('tsx'))
const chapter = fileURLToPath(new URL('../../test/golden/config/chapter.yaml', import.meta.url))

interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function millrace(...args: string[]): Promise<Result> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: { ...process.env, NO_COLOR: '1' } }
    execFile(process.execPath, ['--import', tsx, main, ...args], options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })
}

const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return name
}

/** A command in this process, as main.ts would run it. */
async function inside(run: Command, args: Call['args'], options: Call['options'], json = false): Promise<Result> {
  const written = { stdout: '', stderr: '' }
  const sink = (name: 'stdout' | 'stderr') => ({ write: (text: string) => Boolean((written[name] += text)) })
  const out = new Output({ json, debug: false, stdout: sink('stdout'), stderr: sink('stderr'), env: {} })
  const signal = new AbortController().signal
  const code = await run({ args, options, home: undefined, out, signal }).catch((error: unknown) => out.error(error))
  return { code: code ?? 0, ...written }
}

const CUSTOMERS = [
  'customer_id,plan,months,fee,left',
  ...Array.from(
    { length: 60 },
    (_, i) => `c${i * 3},${['a', 'b'][i % 2]},${i % 24},${10 + i / 2},${i % 4 === 0 ? 'yes' : 'no'}`,
  ),
].join('\n')

describe('help and usage', () => {
  it('shows every command, and examples with each', async () => {
    const { code, stdout } = await millrace('--help')
    expect(code).toBe(0)
    const all = (verbs: readonly Verb[]): readonly Verb[] => verbs.flatMap((verb) => [verb, ...all(verb.verbs ?? [])])
    for (const { name } of VERBS) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
    for (const verb of all(VERBS)) expect(verb.examples.length, verb.name).toBeGreaterThan(0)
    const help = await millrace('init', '--help')
    expect(help.stdout).toMatch(/Examples:\n {2}millrace init customers.csv/)
    expect(help.stdout).toMatch(/--json/)
  })

  it('loads neither zod, yaml nor an engine for it', async () => {
    const hook = `import { register } from 'node:module'
      register('data:text/javascript,' + encodeURIComponent(\`export async function load(url, context, next) {
        if (/node_modules\\\\/(zod|yaml|@duckdb|onnxruntime|fastify|libsql|@clack)\\\\//.test(url)) throw new Error('loaded ' + url)
        return next(url, context) }\`))`
    const path = join(folder, 'hook.mjs')
    writeFileSync(path, hook)
    const run = (...args: string[]) =>
      new Promise<Result>((resolve) => {
        execFile(
          process.execPath,
          ['--import', tsx, '--import', path, main, ...args],
          { cwd: folder },
          (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
        )
      })
    expect(await run('--help')).toMatchObject({ code: 0 })
    // the hook does see what a command loads
    expect((await run('check', chapter)).code).not.toBe(0)
  })

  it.each([
    [['chek'], /error MR_USAGE: unknown command 'chek'\nhint: did you mean check\?/],
    [['check', '--jsn', 'x'], /error MR_USAGE: unknown option '--jsn'\nhint: did you mean --json\?/],
    [['check'], /error MR_USAGE: missing required argument 'files'\nhint: millrace check --help/],
    [['check', 'nope.yaml'], /error MR_FILE_MISSING: there is no pipeline file nope.yaml\nhint: millrace init/],
  ])('%j is refused with 2', async (args, message) => {
    const { code, stdout, stderr } = await millrace(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/ at .*main\.ts/)
  })

  it('prints its version, and help without a command with 2', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    expect(await millrace('--version')).toMatchObject({ code: 0, stdout: `${version}\n` })
    expect(await millrace()).toMatchObject({ code: 2, stdout: '' })
  })

  it('ends quietly when the reader of its output goes away', async () => {
    const child = spawn('sh', [
      '-c',
      `"$0" --import "$1" "$2" check "$3" --json | true; echo done`,
      process.execPath,
      tsx,
      main,
      chapter,
    ])
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
    await new Promise((resolve) => child.on('close', resolve))
    expect(text).toMatch(/done\n/)
    expect(text).not.toMatch(/EPIPE/)
  })
})

describe('check', () => {
  it('says what this machine will do with a file made for a cluster', async () => {
    const text = await inside(check, [[chapter]], {})
    expect(text.code).toBe(0)
    expect(text.stdout).toMatch(/resources.num_nodes is 8: this version runs on one machine/)
    expect(text.stdout).toMatch(/error MR_PLAN_UNSUPPORTED: .*chapter.yaml:5:\d+: data.output_path is s3:/)
    expect(text.stdout).toMatch(/MR_CONFIG_LABEL_ABSENT/)
    const json = await inside(check, [[chapter]], {}, true)
    const document = JSON.parse(json.stdout) as Record<string, unknown>
    expect(document).toMatchObject({ valid: true, runnable: false, pipeline_name: 'customer_churn_prediction' })
    expect(json.stderr).toMatch(/no faults/)
  })

  it('reports all faults with their places, in text and as JSON, and ends with 2', async () => {
    const name = file(
      'bad.yaml',
      'pipeline_name: x\nverson: 1\ndata: {source_path: a.csv, output_path: o}\ntraining: {model_type: nn, batch_size: 0}\n',
    )
    const text = await millrace('check', name, '--set', 'training.max_epoch=5')
    expect(text.code).toBe(2)
    golden('cli/check-faults.txt', text.stderr)
    const json = await inside(check, [[join(folder, name)]], {}, true)
    expect(json.code).toBe(2)
    const { error } = JSON.parse(json.stdout) as { error: { code: string; others: unknown[] } }
    expect(error.code).toBe('MR_CONFIG_INVALID')
    expect(error.others).toHaveLength(4)
  })

  it('finds unknown steps and data that is not there', async () => {
    const base =
      'pipeline_name: x\nversion: 1\nlabel: y\ndata: {source_path: gone.csv, output_path: o}\ntraining: {model_type: neural_network}\n'
    const step = await inside(
      check,
      [[join(folder, file('step.yaml', `${base}features: {columns: {a: [standrad]}}\n`))]],
      {},
    )
    expect(step).toMatchObject({ code: 2 })
    expect(step.stderr).toMatch(/step.yaml:6:26: .*"standrad".*\n.*did you mean standard/)
    const gone = await inside(check, [[join(folder, file('gone.yaml', base))]], {}, true)
    expect(JSON.parse(gone.stdout)).toMatchObject({ runnable: false, problems: [{ code: 'MR_FILE_MISSING' }] })
  })
})

describe('init', () => {
  it('writes a file that check accepts, and never overwrites it', async () => {
    file('customers.csv', CUSTOMERS)
    const made = await millrace('init', 'customers.csv', '--label', 'left', '--yes')
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toMatch(/next: (npx )?millrace run pipeline.yaml/)
    const text = readFileSync(join(folder, 'pipeline.yaml'), 'utf8')
    expect(fromYaml(text)).toMatchObject({
      pipeline_name: 'customers',
      label: 'left',
      positive: 'yes',
      entity: 'customer_id',
    })
    const checked = await inside(check, [[join(folder, 'pipeline.yaml')]], {}, true)
    expect(JSON.parse(checked.stdout)).toMatchObject({ valid: true, runnable: true, notes: [], problems: [] })
    const again = await millrace('init', 'customers.csv', '--label', 'left', '--yes')
    expect(again.code).toBe(2)
    expect(again.stderr).toMatch(/error MR_FILE_EXISTS: pipeline.yaml exists and is not overwritten/)
    expect(readFileSync(join(folder, 'pipeline.yaml'), 'utf8')).toBe(text)
  })

  it('names the file from another folder relative to the pipeline file', async () => {
    file('customers.csv', CUSTOMERS)
    const made = await millrace('init', 'customers.csv', '--label', 'left', '--out', 'deep/er/p.yaml', '--json')
    expect(JSON.parse(made.stdout)).toMatchObject({ rows: 60, task: { kind: 'classification' } })
    expect(fromYaml(readFileSync(join(folder, 'deep/er/p.yaml'), 'utf8')).data.source_path).toBe('../../customers.csv')
  })

  it.each([
    [
      'an unknown label',
      ['customers.csv', '--label', 'lef'],
      /MR_LABEL_MISSING.*did you mean 'left'\?\nhint: columns: customer_id, plan/,
    ],
    ['no label', ['customers.csv'], /MR_USAGE: --label is required.*\nhint: columns: customer_id/],
    ['an unknown extension', ['table.xlsx', '--label', 'x'], /MR_SOURCE_FORMAT.*\nhint: .*\.csv/],
    ['an empty file', ['empty.csv', '--label', 'x'], /MR_SOURCE_EMPTY: .*empty.csv is empty: 0 bytes/],
    ['a header alone', ['header.csv', '--label', 'b'], /MR_/],
    ['no file', ['customer.csv', '--label', 'x'], /MR_FILE_MISSING.*\nhint: did you mean .*customers.csv/],
  ])('refuses %s, and writes nothing', async (_, [data, , label], message) => {
    file('customers.csv', CUSTOMERS)
    file('table.xlsx', 'PK')
    file('empty.csv', '')
    file('header.csv', 'a,b\n')
    const target = join(folder, 'none.yaml')
    const options = { out: target, ...(label === undefined ? {} : { label }) }
    const { code, stderr } = await inside(init, [join(folder, data ?? '')], options)
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) as string })
    expect(existsSync(target)).toBe(false)
  })
})

describe('doctor', () => {
  it('really runs each engine and leaves no trace', async () => {
    const { code, stdout, stderr } = await millrace('doctor', '--json', '--home', join(folder, 'home'))
    expect({ code, stderr: stderr.includes('FAIL') }).toEqual({ code: 0, stderr: false })
    const { checks } = JSON.parse(stdout) as { checks: { name: string; ok: boolean; detail: string }[] }
    for (const name of ['node', 'duckdb', 'onnxruntime', 'sqlite', 'home', 'disk'])
      expect(checks.find((check) => check.name === name)).toMatchObject({ ok: true })
    expect(existsSync(join(folder, 'home'))).toBe(false)
  })

  it('ends with 1 where the home cannot be written', async () => {
    const home = join(folder, file('plain-file', 'x'), 'home')
    const { code, stdout } = await inside((call) => doctor({ ...call, home }), [], {})
    expect(code).toBe(1)
    expect(stdout).toMatch(/FAIL home/)
  })
})
