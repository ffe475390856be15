/**
 * Attacks that docs/security.md says are refused and that no test beside the code shows; a canary file must survive. And
 * what came from the environment stands nowhere.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { findRun } from '../src/cli/past-runs.js'
import { execute } from '../src/cli/program.js'
import { openArtifactStore } from '../src/core/artifact-store.js'
import type { ArtifactRef } from '../src/core/artifacts.js'
import { openDuckDb } from '../src/etl/duckdb/engine.js'
import { scan } from '../src/etl/relation.js'
import { expandSource } from '../src/etl/source.js'
import { openJournal } from '../src/pipeline/journal.js'
import { openRegistry } from '../src/registry/sqlite.js'
import { ServedModels } from '../src/serving/models.js'
import { buildServer } from '../src/serving/server.js'
import { loanModel } from './models.js'

let folder: string
let canary: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-security-'))
  canary = join(folder, 'canary')
  await writeFile(canary, 'alive')
  await writeFile(join(folder, 'loan.onnx'), loanModel())
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const UP = ['../', '..%2f', '%2e%2e%2f', '%252e%252e%252f', '%c0%ae%c0%ae%c0%af', '..\\', '..%5c', '..%00/', '/']
const PATHS = UP.map((step) => `${step.repeat(3)}canary`)

test('the server looks no name or version up on the disk', async () => {
  const models = await ServedModels.open({ sources: [join(folder, 'loan.onnx')] })
  const { app } = buildServer({ models, version: '1' })
  for (const path of PATHS)
    for (const url of [`/v2/models/${path}`, `/v2/models/loan/versions/${path}`, `/${path}`]) {
      const answer = await app.inject({ method: 'GET', url })
      expect([400, 404], url).toContain(answer.statusCode)
      expect(answer.body).not.toContain('alive')
    }
  await app.close()
  await models.close()
})

test.each(PATHS)('%j is no run, no digest, no model', async (path) => {
  const home = join(folder, 'home')
  await mkdir(home, { recursive: true })
  await (await openJournal(home, { write: true })).close()
  await expect(findRun(home, path)).rejects.toMatchObject({ code: 'MR_RUN_UNKNOWN' })
  const store = await openArtifactStore(join(home, 'artifacts'))
  const ref = { digest: `sha256:${path}`, mediaType: 'text/plain', size: 5 } as ArtifactRef
  await expect(store.get(ref)).rejects.toMatchObject({ code: 'MR_ARTIFACT_INVALID' })
  await store.close()
  const registry = await openRegistry(join(home, 'registry.db'))
  await expect(registry.resolve(`models:/${path}`)).rejects.toMatchObject({
    code: expect.stringMatching(/^MR_MODEL_(NAME|URI|UNKNOWN)$/) as string,
  })
  await registry.close()
})

test('pickle, joblib and zip are no models, whatever their name', async () => {
  const ran = join(folder, 'ran')
  const pickle = Buffer.from(`cos\nsystem\n(S'touch ${ran}'\ntR.`)
  const joblib = Buffer.from('800495140000000000000028', 'hex')
  for (const bytes of [pickle, joblib, Buffer.from('789c0300', 'hex'), Buffer.from('PK\x03\x04\x14\x00data.pkl')])
    for (const name of ['model.pkl', 'model.joblib', 'model.zip', 'model.onnx']) {
      await writeFile(join(folder, name), bytes)
      await expect(ServedModels.open({ sources: [join(folder, name)] })).rejects.toMatchObject({
        code: expect.stringMatching(/^MR_MODEL_FILE_(UNREADABLE|METADATA|UNSAFE)$/) as string,
      })
    }
  expect(existsSync(ran)).toBe(false)
})

test('SQL in names of files and columns and in values stays text', async () => {
  const attack = (quote: string) => `a${quote}); COPY (SELECT 666) TO '${canary}'; --`
  const file = join(folder, `${attack("'")}.csv`)
  await mkdir(dirname(file), { recursive: true })
  const names = [attack("'"), attack('"')]
  const line = names.map((name) => `"${name.replaceAll('"', '""')}"`).join(',')
  await writeFile(file, `${line},n\n${line},1\n${line},2\n`)
  const engine = await openDuckDb({ tempFolder: folder })
  const { source, schema } = await engine.inferSchema(await expandSource(file))
  expect(schema.map(({ name }) => name)).toEqual([...names, 'n'])
  const rows = await engine.rows(scan(source, schema))
  expect(rows.map((row) => Object.values(row).slice(0, 2))).toEqual([names, names])
  await engine[Symbol.asyncDispose]()
  expect(await readFile(canary, 'utf8')).toBe('alive')
})

/** Runs a command in this process: its exit code and all that it wrote. */
async function command(...args: string[]): Promise<{ code: number; written: string }> {
  let written = ''
  const stream = { write: (text: string) => Boolean((written += text)) }
  const signal = new AbortController().signal
  const code = await execute(args, { stdout: stream, stderr: stream, env: {}, signal })
  return { code, written }
}

async function filesBelow(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

describe('what the environment gave', () => {
  const MARK = 'hunter2-7c41e9'
  // each in a value of its own: a value that holds another is hidden by that one
  const LAKE_MARK = 'brook-51d2e7'
  const RULE_MARK = 'corr3ct-90ab4f'
  const MARKS = [MARK, LAKE_MARK, RULE_MARK]
  const yaml = `pipeline_name: loans
version: "1"
label: bought
data:
  source_path: "\${MARKED_LAKE}/rows.csv"
  output_path: "\${MARKED_OUT}"
  s3: {region: "\${MARKED}"}
  validation_rules: {patterns: {bought: "\${MARKED_RULE}"}, severity: {patterns: warn}}
training: {model_type: logistic_regression, max_epochs: 2}
retry: {max_retries: 1, initial_delay: 0.01}
evaluation: {bootstrap: 50}
gate: {champion: false}
leak_check: {action: warn}
monitoring: {dashboard_url: "https://user:\${MARKED}@host/?key=\${MARKED}"}
deploy: {token: "\${MARKED}", hosts: [one, "\${MARKED}"]}
tuning: {storage: "postgres://\${MARKED}@host"}
`
  const rows = Array.from(
    { length: 200 },
    (_, i) => `${i},${(i * 37) % 101},${(i * 37) % 101 > 50 === i % 5 > 0 ? 'yes' : 'no'}`,
  )
  let file: string
  let home: string
  let lake: string
  beforeAll(async () => {
    file = join(folder, 'marked.yaml')
    home = join(folder, 'marked-home')
    lake = join(folder, LAKE_MARK)
    await writeFile(file, yaml)
    vi.stubEnv('MARKED', MARK)
    // a path is stored as it is found: without the ./
    vi.stubEnv('MARKED_LAKE', `./${LAKE_MARK}`)
    vi.stubEnv('MARKED_RULE', `^(yes|${RULE_MARK}\\.)$`)
    vi.stubEnv('MARKED_OUT', join(folder, `out-${MARK}`))
  })
  afterAll(() => vi.unstubAllEnvs())

  /** Nothing that was written anywhere holds a mark. */
  async function expectNoMark(written: string): Promise<void> {
    for (const mark of MARKS) expect(written).not.toContain(mark)
    for (const path of [
      ...(await filesBelow(home)),
      ...(await filesBelow(join(folder, `out-${MARK}`)).catch(() => [])),
    ]) {
      const bytes = await readFile(path)
      for (const mark of MARKS) expect(bytes.includes(mark), `${mark} in ${path}`).toBe(false)
    }
  }

  test('is neither stored nor shown, where a stage fails over it and where all goes well', async () => {
    const all: string[] = []
    const say = async (...args: string[]) => {
      const { code, written } = await command(...args, '--home', home)
      all.push(written)
      return { code, written }
    }
    expect((await say('check', file)).code).toBe(0)
    expect((await say('check', file, '--json')).code).toBe(0)
    const failed = await say('run', file, '--debug')
    expect(failed.written).toContain('MR_FILE_MISSING')
    expect(failed.written).toContain('${MARKED_LAKE}')
    await expectNoMark(all.join())
    expect(await readFile(join(home, 'journal'), 'utf8')).toContain('"${MARKED_LAKE}/rows.csv"')

    await mkdir(lake)
    await writeFile(join(lake, 'rows.csv'), `id,x,bought\n${rows.join('\n')}\n`)
    expect((await say('resume', '--json')).code).toBe(0)
    expect((await say('run', file, '--json', '--debug')).code).toBe(0)
    for (const args of [['status'], ['status', '--json'], ['runs', '--json'], ['open', '--print'], ['models', 'list']])
      await say(...args)
    await say('explain', file, '--json')
    await say('explain', file, '--json', '--set', 'data.output_path=other')
    expect((await filesBelow(home)).some((path) => path.endsWith('index.html'))).toBe(true)
    await expectNoMark(all.join())
    expect((await stat(join(home, 'secret.key'))).mode & 0o777).toBe(0o600)
  }, 60_000)

  test('is told from what it gave before', async () => {
    const actions = async () => {
      const { written } = await command('explain', file, '--home', home)
      return [...written.matchAll(/^(\w+) +would run/gm)].map(([, stage]) => stage)
    }
    expect(await actions()).toEqual([])
    vi.stubEnv('MARKED_OUT', join(folder, 'elsewhere'))
    expect(await actions()).toEqual(['publish'])
    vi.stubEnv('MARKED_OUT', join(folder, `out-${MARK}`))
  })

  test('must be there again for a run to go on', async () => {
    vi.stubEnv('MARKED_LAKE', `../gone-${LAKE_MARK}`)
    expect((await command('run', file, '--home', home)).code).not.toBe(0)
    vi.stubEnv('MARKED', undefined)
    const { code, written } = await command('resume', '--home', home)
    expect([code, written]).toEqual([2, expect.stringContaining('the environment variable MARKED is not set')])
    for (const mark of MARKS) expect(written).not.toContain(mark)
  })
})
