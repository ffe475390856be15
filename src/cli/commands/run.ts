/** `millrace run FILE`: the whole pipeline; what the journal holds is not done again. */
import { loadConfig } from '../../config/load.js'
import { MillraceError } from '../../core/errors.js'
import { runPipeline } from '../../stages/run-pipeline.js'
import { finishRun } from '../finish.js'
import { homeFolder } from '../home.js'
import { RunView } from '../run-view.js'
import { type Call, listOf, textOf } from '../verb.js'

export async function run({ args, options, home, out, signal }: Call): Promise<number> {
  const files = listOf(args[0])
  const seed = textOf(options['seed'])
  if (seed !== undefined && !/^\d{1,15}$/.test(seed))
    throw new MillraceError('MR_USAGE', `--seed ${seed}: must be a whole number from 0 on`)
  const set = [...listOf(options['set']), ...(seed === undefined ? [] : [`seed=${seed}`])]
  const loaded = loadConfig(files, { set })
  const folder = homeFolder(home, files[0])
  const view = new RunView(out)
  const force = options['force']
  const outcome = await runPipeline(loaded, {
    home: folder,
    signal,
    force: typeof force === 'string' ? force.split(',') : force === true,
    argv: ['millrace', ...process.argv.slice(2)],
    onPlan: (plan) => view.plan(plan),
    onNote: (note) => view.note(note),
    onEvent: (event) => view.event(event),
  })
  view.close()
  return finishRun(out, folder, outcome)
}
