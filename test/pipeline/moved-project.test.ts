/** A project folder that is moved, with its home in it, keeps all its work; so does one on another machine. */
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { loadConfig } from '../../src/config/load.js'
import { explainPipeline, runPipeline } from '../../src/stages/run-pipeline.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-moved-'))
})
afterEach(() => rm(folder, { recursive: true }))

const rows = Array.from(
  { length: 240 },
  (_, i) => `${i},${(i * 37) % 60},${(i * 7) % 3 === 0 ? 'a' : 'b'},${i % 60 < 20}`,
)
const PIPELINE = `
pipeline_name: moved
version: 1
label: left
entity: id
data: {source_path: data/*.csv, output_path: out}
training: {model_type: logistic_regression, max_epochs: 2}
evaluation: {bootstrap: 20}
`

async function actions(project: string) {
  const loaded = loadConfig(join(project, 'p.yaml'))
  return (await explainPipeline(loaded, { home: join(project, '.millrace') })).map(({ action }) => action)
}

test('a moved project does nothing again, a changed source everything', async () => {
  const [here, there] = [join(folder, 'here'), join(folder, 'somewhere else', 'there')]
  await mkdir(join(here, 'data'), { recursive: true })
  await writeFile(join(here, 'data', 'part.csv'), ['id,months,plan,left', ...rows].join('\n'))
  await writeFile(join(here, 'p.yaml'), PIPELINE)
  const { state } = await runPipeline(loadConfig(join(here, 'p.yaml')), { home: join(here, '.millrace') })
  expect(state.status).toBe('success')

  // SQLite may take its log away, some time after the registry is closed: while it is copied, too
  await vi.waitFor(() => cp(here, there, { recursive: true, force: true }))
  await rename(here, join(folder, 'gone'))
  expect(new Set(await actions(there))).toEqual(new Set(['cached']))
  const again = await runPipeline(loadConfig(join(there, 'p.yaml')), { home: join(there, '.millrace') })
  expect(new Set(again.state.stages.map(({ status }) => status))).toEqual(new Set(['cached']))

  await writeFile(join(there, 'data', 'part.csv'), ['id,months,plan,left', ...rows.slice(1)].join('\n'))
  const [extract, ...rest] = await actions(there)
  expect(extract).toBe('run')
  expect(rest).toContain('perhaps')
  expect(rest).not.toContain('run')
})
