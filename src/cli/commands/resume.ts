/** `millrace resume [RUN]`: goes on with a run that was killed, interrupted or failed. */
import { resumePipeline } from '../../stages/run-pipeline.js'
import { finishRun } from '../finish.js'
import { homeFolder } from '../home.js'
import { readJournal } from '../past-runs.js'
import { RunView } from '../run-view.js'
import { type Call, textOf } from '../verb.js'

export async function run({ args, home, out, signal }: Call): Promise<number> {
  const folder = homeFolder(home)
  // a home that is not there is not made
  await (await readJournal(folder)).close()
  const view = new RunView(out)
  const outcome = await resumePipeline(textOf(args[0]), {
    home: folder,
    signal,
    onPlan: (plan) => view.plan(plan),
    onNote: (note) => view.note(note),
    onEvent: (event) => view.event(event),
  })
  view.close()
  return finishRun(out, folder, outcome)
}
