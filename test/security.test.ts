/** Attacks that docs/security.md says are refused and that no test beside the code shows; a canary file must survive. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findRun } from '../src/cli/past-runs.js'
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
