/**
 * Two commands at once: in one home, where one works and the other is told so; and in two homes with one output folder,
 * where both end, and the table is a whole one.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  begunStages,
  type Ended,
  endOf,
  eventsOf,
  expectAtRest,
  lineOf,
  manifestOf,
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

/** Nothing is left to do in the home, and the journal and the model are whole. */
async function expectSound(work: Project, model: string): Promise<void> {
  await expectAtRest(work)
  const again = await millrace(['run', work.file])
  expect(modelOf(again)).toBe(model)
  expect(begunStages(again)).toEqual([])
  const versions = (await millrace(['models', 'people', '--home', work.home])).documents[0] as unknown
  expect(JSON.stringify(versions)).toContain(model)
  expect((await manifestOf(work.output))?.rows).toBe(600)
}

test('a second run in a home where one works', async () => {
  await using work = await project()
  const child = start(['run', work.file])
  const end = endOf(child)
  await lineOf(child, /"stage-started"/)
  // held still, so that it works in the home for as long as others try
  child.kill('SIGSTOP')
  try {
    for (const args of [
      ['run', work.file],
      ['run', work.file, '--set', 'seed=2', '--force'],
      ['resume', '--home', work.home],
    ]) {
      const message = oneError(await millrace(args), ['MR_HOME_LOCKED'], 1)
      expect(message).toContain(`process ${child.pid} (pipeline people)`)
    }
    const status = await millrace(['status', '--home', work.home])
    expect(status.documents[0]).toMatchObject({ status: 'running', wasKilled: false })
  } finally {
    child.kill('SIGCONT')
  }
  const ended = await end
  const model = modelOf(ended)
  const run = ended.documents.at(-1)?.['run'] as string
  expect((await eventsOf(work.home, run)).at(-1)).toMatchObject({ type: 'run-finished', status: 'success' })
  await expectSound(work, model)
})

test('three runs that begin at once in a home that is not there yet', async () => {
  await using work = await project()
  const ended = await Promise.all([1, 2, 3].map(() => millrace(['run', work.file])))
  const well = ended.filter(({ code }) => code === 0)
  const [first] = well
  if (first === undefined) throw new Error(ended.map(({ stderr }) => stderr).join('\n'))
  for (const one of ended)
    if (one.code === 0) expect(modelOf(one)).toBe(modelOf(first))
    else oneError(one, ['MR_HOME_LOCKED'], 1)
  const runs = (await millrace(['runs', '--home', work.home])).documents[0] as unknown as readonly object[]
  expect(runs).toHaveLength(well.length)
  await expectSound(work, modelOf(first))
})

describe('two homes that publish to one folder at once', () => {
  let both: readonly [Project, Project]
  let models: readonly string[]
  let alone: readonly Readonly<Record<string, string>>[]
  let parts: readonly unknown[]
  beforeAll(async () => {
    const other = await project()
    await writeFile(join(other.path, 'people.csv'), people(11))
    models = [prepared().model, modelOf(await millrace(['run', other.file]))]
    both = [await project(prepared().work), other]
    alone = await Promise.all(both.map(({ output }) => treeOf(output)))
    parts = (await Promise.all(both.map(async ({ output }) => (await manifestOf(output))?.parts ?? []))).flat()
  })
  afterAll(async () => {
    for (const work of both) await work[Symbol.asyncDispose]()
  })

  test.each(['overwrite', 'append'])('%s', async (mode) => {
    const shared = join(both[0].path, mode)
    const args = ({ path, file }: Project): string[] => [
      ...['run', file, '--home', join(path, `home-${mode}`)],
      ...['--set', `data.output_path=${shared}`, '--set', `data.write_mode=${mode}`],
    ]
    const children = both.map((work) => start(args(work)))
    const ends = children.map((child) => endOf(child))
    const [first, second] = children as [(typeof children)[number], (typeof children)[number]]
    const bothPublish = lineOf(second, /"stage-started".*"publish"/)
    await lineOf(first, /"stage-started".*"publish"/)
    // held still somewhere in its publishing until the other publishes too
    first.kill('SIGSTOP')
    try {
      await bothPublish
    } finally {
      first.kill('SIGCONT')
    }
    const ended: readonly Ended[] = await Promise.all(ends)
    expect(ended.map(modelOf)).toEqual(models)

    const tree = await treeOf(shared)
    const manifest = await manifestOf(shared)
    if (mode === 'overwrite') expect(alone).toContainEqual(tree)
    else {
      expect(manifest?.rows).toBe(1200)
      expect(manifest?.parts).toEqual(expect.arrayContaining([...parts]))
      const files = manifest?.files.map(({ path }) => path) ?? []
      expect(Object.keys(tree).sort()).toEqual([...files, 'manifest.json', '.lock'].sort())
    }
  })
})
