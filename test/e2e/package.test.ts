/** The packed tarball in an empty folder, as a user meets it: installed by the one documented flag, run, imported. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT, folder, start } from './cli.js'

interface Packed {
  readonly filename: string
  readonly size: number
  readonly files: readonly { readonly path: string }[]
}

const run = promisify(execFile)
// npm's settings of this clone (npm test is run by npm) are not a user's
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_(config|package|lifecycle)/.test(name)),
)
const sh = (command: string, args: readonly string[], cwd: string) =>
  run(command, args, { cwd, env: { ...env, NO_COLOR: '1' }, maxBuffer: 1 << 26 })

const CSV = [
  'customer,plan,months,fee,left',
  ...Array.from({ length: 400 }, (_, i) => {
    const months = (i * 7) % 48
    return `c${i},${['basic', 'plus', 'pro'][i % 3]},${months},${10 + (i % 11) * 2.5},${months < 14 + (i % 9) ? 'yes' : 'no'}`
  }),
].join('\n')

let app: Awaited<ReturnType<typeof folder>>
let packed: Packed
const millrace = (...args: string[]) => sh('npx', ['--no-install', 'millrace', ...args], app.path)

beforeAll(async () => {
  app = await folder()
  const { stdout } = await sh('npm', ['pack', '--json', '--pack-destination', app.path], ROOT)
  const answer = JSON.parse(stdout) as Packed[] | Record<string, Packed>
  const first = Object.values(answer)[0]
  if (first === undefined) throw new Error(stdout)
  packed = first
  writeFileSync(join(app.path, 'package.json'), '{"private": true, "type": "module"}')
  await sh('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `./${packed.filename}`], app.path)
  writeFileSync(join(app.path, 'customers.csv'), CSV)
})
afterAll(() => app[Symbol.asyncDispose]())

describe('the packed package', () => {
  test('ships what is run and read, and nothing of tests, sources or earlier runs', () => {
    const paths = packed.files.map(({ path }) => path)
    for (const path of [
      'dist/cli/main.js',
      'dist/index.d.ts',
      'schema/pipeline.schema.json',
      'docs/errors.md',
      'LICENSE',
    ])
      expect(paths).toContain(path)
    expect(paths.filter((path) => /\.test\.|^(src|test|bench|scripts)\/|\/(output|\.millrace)\//.test(path))).toEqual(
      [],
    )
    expect(packed.size).toBeLessThan(2_000_000)
  })

  test('its package.json names files that are there, and an executable', () => {
    const root = join(app.path, 'node_modules/millrace')
    const { bin, exports, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      bin: Record<string, string>
      exports: Record<string, string | Record<string, string>>
      engines: { node: string }
    }
    const named = [
      ...Object.values(bin),
      ...Object.values(exports).flatMap((e) => (typeof e === 'string' ? e : Object.values(e))),
    ]
    for (const path of named) expect(existsSync(join(root, path)), path).toBe(true)
    const main = join(root, bin['millrace'] ?? '')
    expect(readFileSync(main, 'utf8')).toMatch(/^#!\/usr\/bin\/env -S( [A-Z_]+=\d+)+ node\n/)
    if (process.platform !== 'win32') expect(statSync(main).mode & 0o111).toBe(0o111)
    expect(engines.node).toBe('>=20')
  })

  test('a CSV file to predictions and a server', async () => {
    expect((await millrace('--version')).stdout.trim()).toBe('0.1.0')
    await millrace('init', 'customers.csv', '--label', 'left')
    await millrace('check', 'pipeline.yaml')
    await millrace('run', 'pipeline.yaml', '--set', 'training.max_epochs=5', '--set', 'gate.minimum=0')
    await millrace('predict', 'models:/customers@champion', 'customers.csv', '--out', 'scored.csv')
    const scored = readFileSync(join(app.path, 'scored.csv'), 'utf8').trim().split('\n')
    expect(scored).toHaveLength(401)
    expect(scored[0]).toContain('prediction')

    const main = join(app.path, 'node_modules/millrace/dist/cli/main.js')
    const server = start(['serve', 'models:/customers@champion', '--port', '0'], app.path, main)
    const url = /http:\/\/\S+/.exec(await server.line(/http:\/\//))?.[0] ?? ''
    const answer = await fetch(`${url}/invocations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ dataframe_records: [{ customer: 'x', plan: 'plus', months: 3, fee: 12.5 }] }),
    })
    const body = await answer.text()
    expect(answer.status, body).toBe(200)
    expect(body).toMatch(/"prediction":"(yes|no)"/)
    server.child.kill('SIGINT')
    expect((await server.finished).code).toBe(0)
  })

  test('imported by an ES module', async () => {
    writeFileSync(
      join(app.path, 'read.js'),
      `import { loadConfig, MillraceError } from 'millrace'
console.log(loadConfig('pipeline.yaml').config.pipeline_name)
try {
  loadConfig('absent.yaml')
} catch (error) {
  console.log(error instanceof MillraceError, error.code)
}`,
    )
    const { stdout } = await sh(process.execPath, ['read.js'], app.path)
    expect(stdout).toMatch(/^customers\ntrue MR_\w+\n$/)
  })

  test('imported by a strict TypeScript program, by the types it ships', async () => {
    writeFileSync(
      join(app.path, 'program.ts'),
      `import { fromYaml, loadConfig, runPipeline, type LoadedConfig, type PipelineConfig, type RunOutcome } from 'millrace'
const loaded: LoadedConfig = loadConfig('pipeline.yaml')
const config: PipelineConfig = loaded.config
const name: string = config.pipeline_name
export const run: (...args: Parameters<typeof runPipeline>) => Promise<RunOutcome> = runPipeline
console.log(name, typeof fromYaml)
`,
    )
    // skipLibCheck off: the package's own declarations are checked too. Its types of Node are those of this clone.
    const options = {
      target: 'ES2023',
      module: 'NodeNext',
      strict: true,
      skipLibCheck: false,
      types: ['node'],
      outDir: 'out',
    }
    const typeRoots = [join(ROOT, 'node_modules/@types')]
    const settings = { compilerOptions: { ...options, typeRoots }, files: ['program.ts'] }
    writeFileSync(join(app.path, 'tsconfig.json'), JSON.stringify(settings))
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    await sh(process.execPath, [tsc], app.path).catch((error: { stdout: string }) => expect(error.stdout).toBe(''))
    const { stdout } = await sh(process.execPath, ['out/program.js'], app.path)
    expect(stdout).toBe('customers function\n')
    writeFileSync(
      join(app.path, 'program.ts'),
      `import { loadConfig } from 'millrace'\nexport const n: number = loadConfig('x')\n`,
    )
    await expect(sh(process.execPath, [tsc], app.path)).rejects.toThrow()
  })
})
