/**
 * A full disk and one that cannot be written, as home and as output: one clear error, nothing half-written, and the same
 * model once there is room. The disks are file systems in memory; where mounting is not permitted, they are skipped.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  canMount,
  leftovers,
  manifestOf,
  millrace,
  modelOf,
  mount,
  oneError,
  prepared,
  type Project,
  project,
  unmount,
} from './small-pipeline.js'

const probe = await mkdtemp(join(tmpdir(), 'millrace-mount-'))
const mayMount = canMount(probe)
await rm(probe, { recursive: true })

const { model: expected } = prepared()
let work: Project
beforeAll(async () => {
  work = await project()
})
afterAll(async () => work[Symbol.asyncDispose]())

/** A disk of its own at `name` in the project while `use` works. */
async function onDisk(name: string, options: string, use: (disk: string) => Promise<void>): Promise<void> {
  const disk = join(work.path, name)
  await mkdir(disk)
  mount(disk, options)
  try {
    await use(disk)
  } finally {
    unmount(disk)
    await rm(disk, { recursive: true, force: true })
  }
}

// before the first stage, in an early one, in training, and near the end
test.skipIf(!mayMount).each([8, 64, 200, 300])('the home on a full disk of %i KiB', async (size) => {
  await onDisk('disk', `size=${size}k`, async (disk) => {
    const args = ['run', work.file, '--home', join(disk, 'home'), '--set', `data.output_path=out-${size}`]
    const full = await millrace(args)
    const message = oneError(full, ['MR_DISK_FULL'], 1)
    // of a stage that failed, not of its page, which cannot be written either
    if (full.documents.some(({ type }) => type === 'stage-failed')) expect(message).not.toContain('.html')
    expect(await leftovers(disk)).toEqual([])
    await manifestOf(join(work.path, `out-${size}`)) // whole or absent
    mount(disk, 'remount,size=16m')
    expect(modelOf(await millrace(args))).toBe(expected)
  })
})

test.skipIf(!mayMount)('the output on a full disk; then `resume`', async () => {
  await onDisk('disk', 'size=16k', async (disk) => {
    const home = join(work.path, 'home-output')
    const args = ['run', work.file, '--home', home, '--set', `data.output_path=${join(disk, 'table')}`]
    oneError(await millrace(args), ['MR_DISK_FULL'], 1)
    expect(await leftovers(disk)).toEqual([])
    expect(await manifestOf(join(disk, 'table'))).toBeUndefined()
    mount(disk, 'remount,size=16m')
    expect(modelOf(await millrace(['resume', '--home', home]))).toBe(expected)
    expect(await manifestOf(join(disk, 'table'))).toMatchObject({ table: 'people', rows: 600 })
  })
})

test.skipIf(!mayMount)('a home and an output that cannot be written', async () => {
  await onDisk('disk', 'size=16m', async (disk) => {
    const table = ['--set', `data.output_path=${join(disk, 'table')}`]
    const args = ['run', work.file, '--home', join(disk, 'home'), ...table]
    expect(modelOf(await millrace(args))).toBe(expected)
    const before = await manifestOf(join(disk, 'table'))
    mount(disk, 'remount,ro')
    oneError(await millrace(args), ['MR_FILE_ACCESS'], 2)
    const elsewhere = ['run', work.file, '--home', join(work.path, 'home-ro'), ...table, '--set', 'seed=2']
    oneError(await millrace(elsewhere), ['MR_FILE_ACCESS'], 2)
    expect(await leftovers(disk)).toEqual([])
    expect(await manifestOf(join(disk, 'table'))).toEqual(before)
    // who only looks still can
    expect((await millrace(['models', '--home', join(disk, 'home')])).code).toBe(0)
  })
})
