/** Commands that only look, in a home that the user may only read: a mounted folder, or another user's. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))
const tsx = import.meta.resolve('tsx')
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-read-only-')))
// root may write everywhere
const stranger = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

const rights = (path: string, folders: number, files: number): void => {
  if (!statSync(path).isDirectory()) return chmodSync(path, files)
  chmodSync(path, 0o755)
  for (const name of readdirSync(path)) rights(join(path, name), folders, files)
  chmodSync(path, folders)
}

const PIPELINE = `pipeline_name: left
version: 1
label: left
entity: id
data: {source_path: customers.csv, output_path: output}
training: {model_type: logistic_regression, max_epochs: 10, learning_rate: 0.1, batch_size: 32}
evaluation: {bootstrap: 20}
gate: {metric: roc_auc, minimum: 0.5}
leak_check: {allow: [months]}
`

/** Exit code and all that a command says. */
function millrace(args: readonly string[], user: { uid?: number; gid?: number } = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', tsx, main, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, CI: '1' },
    ...user,
  })
  return { status, text: stdout + stderr }
}

beforeAll(() => {
  const rows = Array.from({ length: 300 }, (_, i) => `c${i},${i % 60},${i % 60 < 20 ? 'yes' : 'no'}`)
  writeFileSync(join(folder, 'customers.csv'), `id,months,left\n${rows.join('\n')}\n`)
  writeFileSync(join(folder, 'pipeline.yaml'), PIPELINE)
  expect(millrace(['run', 'pipeline.yaml'])).toMatchObject({ status: 0 })
  rights(join(folder, '.millrace'), 0o555, 0o444)
  chmodSync(folder, 0o777)
}, 60_000)
afterAll(() => {
  if (existsSync(join(folder, '.millrace'))) rights(join(folder, '.millrace'), 0o755, 0o644)
  rmSync(folder, { recursive: true })
})

it('lists, exports, scores and opens', { timeout: 60_000 }, () => {
  expect(millrace(['models'], stranger)).toMatchObject({ status: 0, text: expect.stringMatching(/left +1/) as string })
  expect(millrace(['export', 'models:/left', '--out', 'left.onnx'], stranger)).toMatchObject({ status: 0 })
  expect(millrace(['predict', 'models:/left', 'customers.csv', '--out', 'scored.csv'], stranger)).toMatchObject({
    status: 0,
    text: expect.stringContaining('300 rows scored by left version 1') as string,
  })
  const { status, text } = millrace(['open', '--print'], stranger)
  expect({ status, text }).toEqual({
    status: 0,
    text: expect.stringMatching(/^\.millrace\/runs\/.*\/index\.html\n$/) as string,
  })
})

it('refuses a change in words', { timeout: 30_000 }, () => {
  expect(millrace(['models', 'alias', 'left', 'other', '1'], stranger)).toMatchObject({
    text: expect.stringMatching(/MR_FILE_ACCESS: the registry .*\nhint: /) as string,
  })
})
