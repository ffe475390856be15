/** `millrace runs`: all runs of a home, newest last. */
import { homeFolder } from '../home.js'
import { time } from '../numbers.js'
import { printable } from '../output.js'
import { readJournal } from '../past-runs.js'
import { lockHolder } from '../../pipeline/lock.js'
import type { Call } from '../verb.js'

export async function run({ home, out }: Call): Promise<number> {
  const folder = homeFolder(home)
  const journal = await readJournal(folder)
  try {
    const isBusy = (await lockHolder(folder)) !== undefined
    const all = await journal.runs()
    const last = all.at(-1)?.run
    const runs = all.map((summary) => ({
      ...summary,
      status: summary.status === 'running' && !(isBusy && summary.run === last) ? 'killed' : summary.status,
    }))
    out.document(runs)
    for (const { run: name, name: pipeline, status, startedAt } of runs)
      out.say(`${name.padEnd(24)} ${status.padEnd(10)} ${time(startedAt)}  ${printable(pipeline)}`)
    return 0
  } finally {
    await journal.close()
  }
}
