/**
 * A wall clock that is wrong or is moved, between runs, before a run is resumed, and in the middle of one: the same
 * model and the same published bytes, what was done is found again, and nobody is shown a negative duration. Files keep
 * the times that they have, and the monotonic clock is left alone, as where somebody sets the clock. Where there is no
 * libfaketime, it is skipped.
 */
import { spawnSync } from 'node:child_process'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { timestamp } from '../../src/dashboard/format.js'
import {
  type Around,
  begunStages,
  type Ended,
  endOf,
  expectAtRest,
  lineOf,
  millrace,
  modelOf,
  oneError,
  people,
  prepared,
  type Project,
  project,
  start,
  treeOf,
} from './small-pipeline.js'

/** What the command of libfaketime has the loader take in; the command itself stands between us and whom we kill. */
const library = spawnSync('faketime', ['-m', '10 days ago', 'printenv', 'LD_PRELOAD'], { encoding: 'utf8' })
const hasFaketime = library.status === 0 && library.stdout.includes('faketime')

const DAY = 24 * 3600 * 1000
const PRELOADED = {
  LD_PRELOAD: (library.stdout ?? '').trim(),
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
  NO_FAKE_STAT: '1',
}
/** A process whose clock is `by` off: `-10d`, `+10d`. */
const off = (by: string): Around => ({ env: { ...PRELOADED, FAKETIME: by } })
/** A process whose clock is off by what the file says, at every look at it. */
const offAsIn = (file: string): Around => ({
  env: { ...PRELOADED, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1' },
})

/** When a command's first and last events came, by its own clock. */
function span({ documents }: Ended): readonly [first: number, last: number] {
  const times = documents.flatMap(({ time }) => (typeof time === 'number' ? [time] : []))
  return [times[0] ?? NaN, times.at(-1) ?? NaN]
}

/** Durations and pages of a run that ended well: nothing in them lies before the beginning. */
async function expectNoNegative(ended: Ended): Promise<void> {
  for (const document of ended.documents)
    if ('seconds' in document) expect(document['seconds'], JSON.stringify(document)).toBeGreaterThanOrEqual(0)
  const page = await readFile(ended.documents.at(-1)?.['page'] as string, 'utf8')
  expect(page).toMatch(/\d (ms|s)\b/)
  expect(page).not.toMatch(/[-−]\d[\d.,]* (ms|s|min|h)\b/)
  expect(page).not.toMatch(/\b(x|width)="[-−]/)
}

interface Shown {
  readonly run: string
  readonly status: string
  readonly startedAt: number
}
const runsOf = async (work: Project): Promise<readonly Shown[]> =>
  (await millrace(['runs', '--home', work.home])).documents[0] as unknown as readonly Shown[]

describe.skipIf(!hasFaketime)('a clock that is not right (skipped without libfaketime)', () => {
  test('ten days forward, then ten back, between runs', async () => {
    const { work: template, model, output } = prepared()
    await using work = await project(template)
    const names = (await runsOf(work)).map(({ run }) => run)
    for (const [by, days] of [
      ['+10d', 10],
      ['-10d', -10],
    ] as const) {
      const ended = await millrace(['run', work.file], off(by))
      expect(Math.abs(span(ended)[0] - Date.now() - days * DAY)).toBeLessThan(DAY)
      expect(modelOf(ended)).toBe(model)
      expect(begunStages(ended)).toEqual([])
      expect(await treeOf(work.output)).toEqual(output)
      await expectNoNegative(ended)
      names.push(ended.documents.at(-1)?.['run'] as string)
    }
    await expectAtRest(work)
    const shown = await runsOf(work)
    expect(shown.map(({ run }) => run)).toEqual(names)
    expect(shown.map(({ status }) => status)).toEqual(['success', 'success', 'success'])
    // the newest is the one that came last, whatever its clock said
    const status = await millrace(['status', '--home', work.home])
    expect(status.documents[0]).toMatchObject({ run: names[2], status: 'success' })
    expect(shown[2]?.startedAt).toBeLessThan(shown[0]?.startedAt ?? 0)
    expect(status.stderr).toContain(`started ${timestamp(shown[2]?.startedAt ?? 0)} UTC`)
  })

  test.each(['-10d', '+10d'])('moved by %s in the middle of a run', async (by) => {
    const { model, output } = prepared()
    await using work = await project()
    const clock = join(work.path, 'clock')
    await writeFile(clock, '+0d')
    const child = start(['run', work.file, '--set', `data.output_path=${join(work.path, 'moved')}`], offAsIn(clock))
    const end = endOf(child)
    await lineOf(child, /"stage-succeeded"/)
    await writeFile(`${clock}.next`, by)
    await rename(`${clock}.next`, clock)
    const ended = await end
    expect(modelOf(ended)).toBe(model)
    expect(await treeOf(join(work.path, 'moved'))).toEqual(output)
    const [first, last] = span(ended)
    expect(Math.abs(last - first)).toBeGreaterThan(9 * DAY)
    await expectNoNegative(ended)
    const again = await millrace(['run', work.file, '--set', `data.output_path=${join(work.path, 'moved')}`])
    expect(modelOf(again)).toBe(model)
    expect(begunStages(again)).toEqual([])
  })

  test('set back before a killed run is resumed', async () => {
    const { model, output } = prepared()
    await using work = await project()
    const args = ['run', work.file, '--set', `data.output_path=${join(work.path, 'resumed')}`]
    const child = start(args)
    const end = endOf(child)
    await lineOf(child, /"stage-started".*"evaluate"/)
    child.kill('SIGKILL')
    const done = (await end).documents.filter(({ type }) => type === 'stage-succeeded').map(({ stage }) => stage)
    expect(done).toContain('train')
    const status = await millrace(['status', '--home', work.home], off('-10d'))
    expect(status.documents[0]).toMatchObject({ wasKilled: true })
    expect(status.stderr).not.toMatch(/[-−]\d[\d.,]* (ms|s|min|h)\b/)
    const resumed = await millrace(['resume', '--home', work.home], off('-10d'))
    expect(modelOf(resumed)).toBe(model)
    expect(await treeOf(join(work.path, 'resumed'))).toEqual(output)
    for (const stage of done) expect(begunStages(resumed)).not.toContain(stage)
    const [shown] = await runsOf(work)
    expect(shown?.status).toBe('success')
    expect(span(resumed)[1]).toBeLessThan(shown?.startedAt ?? 0)
    await expectNoNegative(resumed)
    await expectAtRest(work)
  })

  test('a rule of freshness goes by the clock of the run; a clock that is right again finds all as it was', async () => {
    await using work = await project()
    const rows = people(7).trimEnd().split('\n')
    const minute = 60_000
    const newest = Date.now() - DAY
    await writeFile(
      join(work.path, 'people.csv'),
      rows.map((row, i) => `${row},${i === 0 ? 'at' : timestamp(newest - i * minute)}\n`).join(''),
    )
    const yaml = (await readFile(work.file, 'utf8')).replace(
      'output_path: output',
      'output_path: output, validation_rules: {freshness: {at: 7d}}',
    )
    await writeFile(work.file, `${yaml}\nfeatures: {exclude: [at]}\n`)
    const model = modelOf(await millrace(['run', work.file]))
    const output = await treeOf(work.output)
    const message = oneError(await millrace(['run', work.file], off('+10d')), ['MR_VALIDATION_FAILED'], 1)
    expect(message).toContain('freshness.at')
    for (const around of [off('-10d'), {}]) {
      const ended = await millrace(['run', work.file], around)
      expect(modelOf(ended)).toBe(model)
      expect(begunStages(ended)).toEqual([])
      expect(await treeOf(work.output)).toEqual(output)
    }
    expect((await runsOf(work)).map(({ status }) => status)).toEqual(['success', 'failed', 'success', 'success'])
  })
})
