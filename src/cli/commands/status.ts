/** `millrace status [RUN]`: each stage of a run, now or as it ended. */
import { duration, timestamp } from '../../dashboard/format.js'
import type { StageResult } from '../../pipeline/state.js'
import { commandLine, homeFolder } from '../home.js'
import { printable } from '../output.js'
import { findRun } from '../past-runs.js'
import { type Call, textOf } from '../verb.js'

const STYLES = {
  success: 'green',
  cached: 'dim',
  running: 'bold',
  retrying: 'yellow',
  failed: 'red',
  skipped: 'dim',
  pending: 'dim',
  killed: 'red',
} as const

export async function run({ args, home, out }: Call): Promise<number> {
  const folder = homeFolder(home)
  const { state, wasKilled } = await findRun(folder, textOf(args[0]))
  const { config: _, ...shown } = state
  out.document({ ...shown, wasKilled })
  const status = wasKilled ? 'killed' : state.status
  out.say(
    `${out.style('bold', printable(state.name))}  run ${state.run}  ${status}, started ${timestamp(state.startedAt)} UTC`,
  )
  for (const stage of state.stages) {
    const isAtWork = stage.status === 'running' || stage.status === 'retrying'
    const word = wasKilled && isAtWork ? 'killed' : stage.status
    const retries = stage.retries > 0 ? `, ${stage.retries} ${stage.retries === 1 ? 'retry' : 'retries'}` : ''
    const about = `${printable(aboutStage(stage, word))}${retries}`
    out.say(`  ${stage.name.padEnd(11)} ${out.style(STYLES[word], word.padEnd(9))} ${about}`.trimEnd())
  }
  if (status !== 'success' && status !== 'running')
    out.say(`${out.style('bold', 'hint')}: ${commandLine(['resume', state.run], folder)}`)
  return 0
}

function aboutStage({ error, from, because, seconds, startedAt }: StageResult, word: string): string {
  if (error !== undefined) return `${error.code}: ${error.message}`
  if (from !== undefined) return `from run ${from}`
  if (because !== undefined) return `${because} did not succeed`
  if (word === 'running' && startedAt !== undefined) return `for ${duration((Date.now() - startedAt) / 1000)}`
  return seconds > 0 ? duration(seconds) : ''
}
