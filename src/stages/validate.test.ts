/** The stage on a small table: what stops it, what it says, what makes it run again, and what does not. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../config/load.js'
import { type Clock, systemClock } from '../core/clock.js'
import type { TableDocument, ValidationDocument } from '../core/documents.js'
import { openArtifactStore } from '../core/artifact-store.js'
import { MillraceError } from '../core/errors.js'
import { explainPipeline, resumePipeline, type RunOutcome, runPipeline } from './run-pipeline.js'
import { getJson } from './run-resources.js'
import { suiteDigest, suiteFaults } from './suites.js'

let folder: string
const at = (day: string): Clock => ({ ...systemClock, now: () => Date.parse(`${day}T12:00:00Z`) })

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-validate-'))
  const rows = Array.from(
    { length: 12 },
    (_, i) => `${i},${i % 3 === 0 ? 'no mail' : `p${i}@x.de`},2024-01-0${1 + (i % 9)},${i % 2}`,
  )
  await writeFile(join(folder, 'rows.csv'), `id,email,at,y\n${rows.join('\n')}\n`)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const SUITE = {
  name: 'people',
  expectations: [
    {
      type: 'expect_column_values_to_match_regex',
      kwargs: { column: 'email', regex: '@', mostly: 0.5 },
      severity: 'critical',
    },
    { type: 'expect_column_values_to_be_unique', kwargs: { column: 'y' }, severity: 'warning' },
    { type: 'expect_column_values_to_be_json_parseable', kwargs: { column: 'email' }, severity: 'critical' },
  ],
}
const putSuite = (suite: unknown) => writeFile(join(folder, 'suite.json'), JSON.stringify(suite))

async function load(rules: string) {
  const path = join(folder, 'pipeline.yaml')
  await writeFile(
    path,
    `pipeline_name: small\nversion: 1.0\nlabel: y\ndata:\n  source_path: rows.csv\n  output_path: out\n  validation_rules: ${rules}\ntraining: {model_type: neural_network}\n`,
  )
  return loadConfig(path)
}
async function run(rules: string, clock: Clock = systemClock): Promise<RunOutcome> {
  const home = join(folder, 'home')
  return runPipeline(await load(rules), { home, clock, stages: ['extract', 'validate', 'features'] })
}
const statuses = ({ state }: RunOutcome): string => state.stages.map(({ status }) => status).join(' ')
const warnings = ({ state }: RunOutcome) =>
  state.logs.filter(({ level }) => level === 'warn').map(({ message }) => message)
async function report({ state }: RunOutcome): Promise<ValidationDocument> {
  const stage = state.stages.find(({ name }) => name === 'validate')
  const store = await openArtifactStore(join(folder, 'home', 'artifacts'))
  return getJson<ValidationDocument>(store, stage?.value?.['report'] ?? stage?.attachments?.['report'])
}

describe('freshness', () => {
  test('is judged in every run: a table that was fresh fails when it has grown old, though nothing changed', async () => {
    const rules = '{freshness: {at: 3d}}'
    expect(statuses(await run(rules, at('2024-01-10')))).toBe('success success success')
    // judged again, and not done again
    expect(statuses(await run(rules, at('2024-01-11')))).toBe('cached cached cached')
    const old = await run(rules, at('2024-01-13'))
    expect(statuses(old)).toBe('cached failed skipped')
    expect(old.state.stages[1]?.error).toMatchObject({
      code: 'MR_VALIDATION_FAILED',
      message:
        'validation: freshness.at: the newest at is no older than 3d when the run begins; the newest is 2024-01-09',
    })
    expect((await report(old)).passed).toBe(false)
    const explained = await explainPipeline(await load(rules), { home: join(folder, 'home'), clock: at('2024-01-13') })
    expect(explained[1]).toMatchObject({ stage: 'validate', action: 'run', reasons: [{ kind: 'effects-gone' }] })
    // the clock was wrong: what was found then still holds
    expect(statuses(await run(rules, at('2024-01-10')))).toBe('cached cached cached')
  })

  test('that only warns is written anew when the answer changes, once, and what follows is not', async () => {
    const rules = '{freshness: {at: 3d}, severity: {freshness: warn}}'
    await run(rules, at('2024-01-10'))
    const old = await run(rules, at('2024-01-13'))
    expect(statuses(old)).toBe('cached success cached')
    expect(warnings(old)).toEqual(['freshness.at: the newest is 2024-01-09 (warning)'])
    expect((await report(old)).rules).toMatchObject([{ id: 'freshness.at', passed: false }, { id: 'min_records' }])
    expect(statuses(await run(rules, at('2024-02-20')))).toBe('cached cached cached')
  })

  test('of a run that is resumed goes by its first beginning', async () => {
    const rules = '{freshness: {at: 3d}, expectations: [suite.json]}'
    await putSuite({ ...SUITE, expectations: SUITE.expectations.map((one) => ({ ...one, severity: 'critical' })) })
    expect(statuses(await run(rules, at('2024-01-10')))).toBe('success failed skipped')
    await putSuite(SUITE)
    const resumed = await resumePipeline(undefined, { home: join(folder, 'home'), clock: at('2024-01-20') })
    expect(resumed.state.status).toBe('success')
    expect(statuses(await run(rules, at('2024-01-20')))).toBe('cached failed skipped')
  })
})

describe('suites', () => {
  test('warn and stop as they say, name what is not checked, and are part of what is cached', async () => {
    await putSuite(SUITE)
    const rules = '{expectations: [suite.json]}'
    const first = await run(rules)
    expect(statuses(first)).toBe('success success success')
    expect(warnings(first)).toEqual([
      'people: expect_column_values_to_be_json_parseable.email is not checked: there is no rule like it',
      'expect_column_values_to_match_regex.email: 4 rows break it, 66.66% of 12 rows hold (which is allowed)',
      'expect_column_values_to_be_unique.y: 12 rows break it (warning)',
    ])
    const { rules: results, unchecked, rowsOut } = await report(first)
    expect(rowsOut).toBe(12)
    expect(unchecked).toHaveLength(1)
    expect(results.map(({ source, passed }) => [source, passed])).toEqual([
      [undefined, true],
      ['people', true],
      ['people', false],
    ])
    expect(statuses(await run(rules))).toBe('cached cached cached')

    await putSuite({ ...SUITE, expectations: SUITE.expectations.map((one) => ({ ...one, severity: 'critical' })) })
    const strict = await run(rules)
    expect(statuses(strict)).toBe('cached failed skipped')
    expect(strict.state.stages[1]?.error?.message).toMatch(
      /expect_column_values_to_be_unique\.y: no value of y comes twice; 12 rows/,
    )
    expect(statuses(await run('{expectations: [suite.json], severity: {expectations: warn}}'))).toMatch(
      /^cached success/,
    )
  })

  test('that cannot be read stop a run before it begins, each with its place', async () => {
    await putSuite({ name: 'no suite' })
    const rules = '{expectations: [suite.json, absent.json, "s3://b/s.json", .]}'
    const faults = await suiteFaults(await load(rules))
    expect(faults.map(({ code, at: place }) => [code, place?.line, place?.column])).toEqual([
      ['MR_SUITE_INVALID', 7, 37],
      ['MR_FILE_MISSING', 7, 49],
      ['MR_SOURCE_SCHEME', 7, 62],
      ['MR_FILE_ACCESS', 7, 79],
    ])
    const thrown = await run(rules).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(MillraceError)
    expect(thrown).toMatchObject({ message: '4 suites cannot be read', others: { length: 4 } })
    await expect(readFile(join(folder, 'home', 'journal.jsonl'))).rejects.toThrow()
  })
})

test('every rule that must hold is named when the run stops, and the report is there all the same', async () => {
  const stopped = await run(
    '{required_columns: [nope], types: {id: text}, patterns: {email: "@"}, min_records: 10, severity: {patterns: fail}}',
  )
  expect(stopped.state.stages[1]?.error?.message).toBe(
    'validation: required_columns.nope: there is a column nope; there is none; ' +
      'types.id: id is of type text; it is integer; ' +
      'patterns.email: email matches @; 4 rows break it (no mail)',
  )
  expect((await report(stopped)).rules).toHaveLength(4)
  const few = await run('{patterns: {email: "@"}, min_records: 10}')
  expect(few.state.stages[1]?.error?.message).toBe(
    'validation: min_records: at least 10 rows are left; 2 too few (8 rows)',
  )
  const warned = await run('{patterns: {email: "@"}, min_records: 10, severity: {min_records: warn}}')
  expect(statuses(warned)).toBe('cached success success')
  expect(warnings(warned)).toEqual(['patterns.email: 4 rows break it (taken out)', 'min_records: 2 too few (warning)'])
})

test('the files of a table that loses few rows are those it came from; what is lost or damaged of it is made again', async () => {
  const rows = Array.from({ length: 40 }, (_, i) => `${i},p${i}${i % 20 === 7 ? '' : '@x.de'},2024-01-09,${i % 2}`)
  await writeFile(join(folder, 'rows.csv'), `id,email,at,y\n${rows.join('\n')}\n`)
  const rules = '{patterns: {email: "@"}}'
  const first = await run(rules)
  const artifacts = join(folder, 'home', 'artifacts')
  const table = async (stage: number) =>
    getJson<TableDocument>(await openArtifactStore(artifacts), first.state.stages[stage]?.value?.['table'])
  const [extracted, kept] = [await table(0), await table(1)]
  expect([extracted.rows, kept.rows]).toEqual([40, 38])
  expect(kept.files.map(({ ref }) => ref)).toEqual(extracted.files.map(({ ref }) => ref))
  const pathOf = ({ digest = '' }: { digest?: string } = {}) =>
    join(artifacts, 'sha256', digest.slice(7, 9), digest.slice(7))
  const bits = pathOf(kept.files[0]?.deleted)
  expect([...(await readFile(bits))]).toEqual([0b0000_0001, 0, 0, 0b0001_0000, 0])
  expect(statuses(await run(rules))).toBe('cached cached cached')
  await rm(bits)
  expect(statuses(await run(rules))).toBe('cached success cached')
  await rm(bits)
  await writeFile(bits, 'others')
  expect(statuses(await run(rules))).toBe('cached success cached')
  await rm(pathOf(kept.files[0]?.ref))
  expect(statuses(await run(rules))).toMatch(/^success \S+ cached$/)
  expect((await run(rules)).state.stages.map(({ value }) => value)).toEqual(
    first.state.stages.map(({ value }) => value),
  )
})

test('a pattern that only the engine refuses is one clear error with its column', async () => {
  const refused = await run('{patterns: {email: "x{1001}"}}')
  expect(refused.state.stages[1]?.error).toMatchObject({
    code: 'MR_CONFIG_INVALID',
    message: expect.stringMatching(
      /^data\.validation_rules\.patterns: the pattern of "email" is "x\{1001\}": /,
    ) as string,
  })
})

test('suites are known by their content and order, not by what they are called', async () => {
  const texts = {
    'a.json': '{"expectations": []}',
    'copy.json': '{"expectations": []}',
    'b.json': '{"expectations":[]}',
  }
  for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text)
  const digest = async (...names: readonly string[]) =>
    suiteDigest((await load(`{expectations: [${names.join(', ')}]}`)).config, (path) => join(folder, path))
  const ab = await digest('a.json', 'b.json')
  expect(await digest('copy.json', 'b.json')).toBe(ab)
  expect(await digest('b.json', 'a.json')).not.toBe(ab)
  expect(await digest('a.json')).not.toBe(ab)
})
