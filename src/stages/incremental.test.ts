/** Runs after files were added, changed, removed and renamed: what is read again, and artifacts equal to a run in a new home. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { incrementalProject, type Project } from '../../test/incremental.js'

let folder: string
let project: Project
const stageOf = (line: string): string => line.replace(/:.*/s, '')
const day = (n: number): string => `day=2024-01-${String(n).padStart(2, '0')}/part.csv`

// a plan that merges: nothing of it moves with the rows
const MERGES = `features:
  include: [x, n]
  columns:
    x: [{impute: {value: 0}}, {clip: [-2, 2]}]
    n: [{impute: {value: 3}}, {min_max: {}}]
`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-incremental-'))
  project = await incrementalProject(folder)
  for (let n = 1; n <= 12; n++) await project.write(day(n), n)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a source whose files come and go', () => {
  test('to the model every artifact is that of a full run, and only a new file is read', async () => {
    await project.run()
    await project.write(day(13), 13)
    const log = await project.runTwice([
      'extract',
      'validate',
      'features',
      'transform',
      'leaks',
      'pack',
      'train',
      'evaluate',
    ])
    expect(log).toContain('extract: 1 of 13 files made, 12 taken from earlier runs')
    expect(log).toContain('validate: counts: 1 of 13 files read, 12 taken from earlier runs')
    expect(log).toContain('validate: statistics: 1 of 13 files read, 12 taken from earlier runs')
    expect(log).toContain('transform: statistics: 1 of 13 files read, 12 taken from earlier runs')
    expect(log).toContain('leaks: statistics: 0 of 13 files read, 13 taken from earlier runs')
    // each in the log of the stage that read the rows
    expect(log.filter((line) => /medians.*of \d columns do not merge/.test(line)).map(stageOf)).toEqual([
      'transform',
      'leaks',
    ])
    expect(
      log.filter((line) => /plan of \d columns moved .*: every row's features are written anew/.test(line)),
    ).toHaveLength(1)
  })

  test('one changed in the middle, one removed, one renamed: only what is new is read', async () => {
    await project.write(day(6), 60)
    expect(await project.runTwice()).toContain('extract: 1 of 13 files made, 12 taken from earlier runs')
    await project.remove(day(3))
    expect(await project.runTwice()).toContain('extract: 0 of 12 files made, 12 taken from earlier runs')
    // last in order now, and of another day: its content is what it was, its folder's value is not
    await project.move(day(1), day(20))
    expect(await project.runTwice()).toContain('extract: 1 of 12 files made, 11 taken from earlier runs')
  })

  test('two files of the same content, one without rows, one that ends without a newline, one of no bytes', async () => {
    await project.write(day(21), 20)
    await project.write(day(22), 20)
    await project.write(day(23), 23)
    await writeFile(join(folder, 'data', day(23)), 'id,x,n,colour,bought,pad\n23000,0.5,,red,yes,')
    await project.write(day(25), 25, 0)
    await project.write(day(26), 26, 0)
    await writeFile(join(folder, 'data', day(26)), '')
    await project.runTwice()
  })

  test('a lost part of the table and an altered memo are made again', async () => {
    await rm(join(folder, 'home/artifacts/sha256'), { recursive: true })
    await project.runTwice()
    const memo = join(folder, 'home/memo')
    for (const name of await readdir(memo)) await writeFile(join(memo, name), 'not what it was\n{}')
    await project.write(day(24), 24)
    expect(await project.runTwice()).toContain('extract: all 18 files made')
  })

  test('--force goes around what is kept, and gives the same', async () => {
    const before = await project.run()
    const { digests, log } = await project.run(undefined, [], true)
    expect(digests).toEqual(before.digests)
    expect(log).toContain('extract: all 18 files made')
  })
})

test('where no statistic of the plan moves, only new files of features are written', async () => {
  const own = await mkdtemp(join(folder, 'merges-'))
  const merges = await incrementalProject(own, MERGES)
  for (let n = 1; n <= 5; n++) await merges.write(`part-${n}.csv`, n, 30)
  await merges.run()
  await merges.write('part-6.csv', 6, 30)
  const log = await merges.runTwice()
  expect(log).toContain('transform: features: 1 of 6 files made, 5 taken from earlier runs')
  expect(log.filter((line) => /moved|medians/.test(line))).toEqual([])
})
