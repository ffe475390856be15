/** `millrace status [RUN]`: each stage of a run, now or as it ended. */
import { homeFolder } from '../home.js'
import { duration, time } from '../numbers.js'
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
} as const

export async function run({ args, home, out }: Call): Promise<number> {
  const { state, wasKilled } = await findRun(homeFolder(home), textOf(args[0]))
  const { config: _, ...shown } = state
  out.document({ ...shown, wasKilled })
  const status = wasKilled ? 'killed' : state.status
  out.say(
    `${out.style('bold', printable(state.name))}  run ${state.run}  ${status}, started ${time(state.startedAt)} UTC`,
  )
  for (const stage of state.stages) {
    const about =
      stage.error === undefined
        ? stage.from === undefined
          ? stage.seconds > 0
            ? duration(stage.seconds)
            : ''
          : `from run ${stage.from}`
        : `${stage.error.code}: ${stage.error.message}`
    const retries = stage.retries > 0 ? `, ${stage.retries} retries` : ''
    out.say(
      `  ${stage.name.padEnd(11)} ${out.style(STYLES[stage.status], stage.status.padEnd(9))} ${printable(about)}${retries}`,
    )
  }
  if (status !== 'success' && status !== 'running') out.say(`hint: millrace resume ${state.run}`)
  return 0
}
