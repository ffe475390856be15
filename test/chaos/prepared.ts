/** Before the crash tests: the small pipeline is run once, undisturbed, for all of them to copy and to compare with. */
import type { TestProject } from 'vitest/node'
import { millrace, modelOf, project, treeOf } from './small-pipeline.js'

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const work = await project()
  const model = modelOf(await millrace(['run', work.file]))
  provide('prepared', { path: work.path, model, output: await treeOf(work.output) })
  return async () => work[Symbol.asyncDispose]()
}
