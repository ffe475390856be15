import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { golden } from '../../test/golden.js'
import { fromYaml } from './load.js'
import { detectMachine, planForMachine, requireRunnable, stagesAtOnce } from './machine.js'

/** A file with exactly the keys of the configuration chapter. */
const CHAPTER_FILE = readFileSync(new URL('../../test/golden/config/chapter.yaml', import.meta.url), 'utf8')

const laptop = { cpus: 2, memory: 24e9, gpus: 0, platform: 'linux-x64' }
const local = CHAPTER_FILE.replaceAll('s3://', '')

describe('the plan for a machine', () => {
  it('says what is different for a file made for a cluster', () => {
    const plan = planForMachine(fromYaml(CHAPTER_FILE), laptop)
    const problems = plan.problems.map((p) => `${p.code} ${p.message}\n  hint: ${p.hint}`)
    golden('config/plan.txt', `${[...plan.notes, ...problems, JSON.stringify(plan.effective)].join('\n')}\n`)
    expect(() => requireRunnable(plan)).toThrow(/data\.output_path is s3:/)
  })

  it('runs the same file on local paths', () => {
    const plan = planForMachine(fromYaml(local), laptop)
    expect(plan.problems).toEqual([])
    expect(plan.effective).toEqual({
      engine: 'duckdb',
      trainer: 'embedded',
      threads: 2,
      memoryLimit: 14.4e9,
      workers: 1,
    })
    requireRunnable(plan)
  })

  it('is silent on defaults that nobody wrote', () => {
    const text =
      'pipeline_name: x\nversion: 1\ndata: {source_path: a.csv, output_path: o}\ntraining: {model_type: neural_network}\n'
    expect(planForMachine(fromYaml(text), laptop, () => undefined).notes).toEqual([])
  })

  it.each([
    [
      'data.engine without an address',
      local.replace('data:', 'data:\n  engine: spark'),
      /data.spark.remote does not say/,
    ],
    ['training.backend', local.replace('training:', 'training:\n  backend: torch'), /Python worker/],
    ['training.model_type', local.replace('neural_network', 'gradient_boosting'), /Python worker/],
  ])('refuses %s that this version lacks', (_, text, message) => {
    expect(() => requireRunnable(planForMachine(fromYaml(text), laptop))).toThrow(message)
  })

  it('keeps to the limits that the file sets', () => {
    const text = local.replace('data:', 'data:\n  threads: 1\n  memory_limit: 1GiB')
    expect(planForMachine(fromYaml(text), laptop).effective).toMatchObject({ threads: 2, memoryLimit: 2 ** 30 })
    expect(planForMachine(fromYaml(text), laptop).notes.join()).toMatch(/data.threads is 1: 2 are used/)
    const wide = local.replace('data:', 'data:\n  threads: 64\n  memory_limit: 1TB')
    const plan = planForMachine(fromYaml(wide), laptop)
    expect(plan.effective).toMatchObject({ threads: 2, memoryLimit: 24e9 })
    expect(
      plan.notes.filter((note) => note.startsWith('data.threads') || note.startsWith('data.memory_limit')),
    ).toHaveLength(2)
  })

  it.each([
    ['200MB', 1],
    ['399MB', 1],
    ['400MB', 2],
  ])('with %s for the engine %i stages run at once', (limit, stages) => {
    const text = local.replace('data:', `data:\n  memory_limit: ${limit}`)
    expect(stagesAtOnce(planForMachine(fromYaml(text), laptop).effective)).toBe(stages)
  })

  it('uses no more threads than have room in the memory limit', () => {
    const text = local.replace('data:', 'data:\n  memory_limit: 450MB')
    const plan = planForMachine(fromYaml(text), { ...laptop, cpus: 16 })
    expect(plan.effective).toMatchObject({ threads: 4, memoryLimit: 450e6 })
    expect(plan.notes).toContain('data.memory_limit is 450MB: 4 threads are used, since each needs about 100 MB')
  })

  it('takes Spark where the file says where it is', () => {
    const cluster = `data:\n  engine: spark\n  spark: {remote: "sc://host:15002"}\n  threads: 2`
    const plan = planForMachine(fromYaml(local.replace('data:', cluster)), laptop)
    expect(plan.problems).toEqual([])
    expect(plan.effective.engine).toBe('spark')
    expect(plan.notes.filter((note) => /spark/i.test(note))).toEqual([
      'resources.num_nodes is 8: how many machines Spark has is said where it is started; what does not run on Spark runs here',
      "data.threads: of the engine on this machine, which reads text files and packs for training; Spark's own are said where it is started",
    ])
  })

  it('looks at this machine', async () => {
    const machine = await detectMachine()
    expect(machine.cpus).toBeGreaterThan(0)
    expect(machine.memory).toBeGreaterThan(1e8)
    expect(machine.platform).toMatch(/-/)
  })
})
