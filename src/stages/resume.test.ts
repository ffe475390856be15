/** Which runs can go on: those that this version began, not those whose stages or configuration were other ones. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../config/load.js'
import type { PipelineConfig } from '../config/config.js'
import { MillraceError } from '../core/errors.js'
import { openHome, readHome } from '../pipeline/home.js'
import { stageVersions } from './pipeline-stages.js'
import { resumePipeline } from './run-pipeline.js'

let folder: string
let config: PipelineConfig
const ALL = stageVersions()
const EXTRACT = ALL.filter(({ name }) => name === 'extract')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-resume-'))
  await writeFile(join(folder, 'rows.csv'), 'id,x,bought\n1,0.5,yes\n2,0.7,no\n')
  await writeFile(
    join(folder, 'pipeline.yaml'),
    `pipeline_name: small
version: "1"
label: bought
data: {source_path: rows.csv, output_path: out}
training: {model_type: logistic_regression}
`,
  )
  config = loadConfig(join(folder, 'pipeline.yaml')).config
})
afterAll(() => rm(folder, { recursive: true, force: true }))

let homes = 0
/** A home with a run that was killed right after its start. */
async function begun(stages: typeof ALL, recorded: unknown): Promise<string> {
  const path = join(folder, `home-${homes++}`)
  const home = await openHome(path, 'test')
  const event = { type: 'run-started', run: 'old', time: 1, name: 'small', config: recorded, seed: 1, folder } as const
  await home.journal.append({ ...event, versions: { millrace: '0.0.1' }, argv: [], force: false, stages })
  await home.close()
  return path
}

async function refused(stages: typeof ALL, recorded: unknown): Promise<string> {
  const path = await begun(stages, recorded)
  const error: unknown = await resumePipeline('old', { home: path }).catch((reason: unknown) => reason)
  if (!(error instanceof MillraceError)) throw error
  expect([error.code, error.exitCode, error.hint, error.others.length]).toEqual([
    'MR_RUN_INVALID',
    2,
    'start it again with millrace run FILE',
    0,
  ])
  // nothing of the attempt is recorded
  const home = await readHome(path)
  const types: string[] = []
  for await (const { type } of home.journal.replay('old')) types.push(type)
  await home.close()
  expect(types).toEqual(['run-started'])
  return error.message
}

test('a run of this version goes on', async () => {
  const { state } = await resumePipeline('old', { home: await begun(EXTRACT, config) })
  expect(state.stages.map(({ name, status }) => [name, status])).toEqual([['extract', 'success']])
})

test('one from before there were all stages is refused in one error', async () => {
  const before = ALL.filter(({ name }) => name !== 'features' && name !== 'leaks').map(({ name, version, after }) => ({
    name,
    version: name === 'pack' ? version - 1 : version,
    after: after.map((one) => ({ features: 'validate', leaks: 'transform' })[one] ?? one),
  }))
  const message = await refused(before, config)
  expect(message).toMatch(/^run old was begun by another version of Millrace \(stages: .*\)$/)
  expect(message).toContain('transform came after validate and comes after features')
  expect(message).toMatch(/pack was \d+ and is \d+/)
})

test('so is one whose stage is no more, and one whose configuration lacks keys of today', async () => {
  expect(await refused([...EXTRACT, { name: 'polish', version: 1, after: ['extract'] }], config)).toBe(
    'run old was begun by another version of Millrace (stages: polish is no more)',
  )
  const { leak_check: _, ...before } = config
  const others = 'run old was begun by another version of Millrace (with other keys in its configuration)'
  expect(await refused(EXTRACT, before)).toBe(others)
  expect(await refused(EXTRACT, { ...config, no_more: 1 })).toBe(others)
})
