/** `millrace runs`: all runs of a home, newest last. */
import { timestamp } from '../../dashboard/format.js'
import { terminalTable } from '../../dashboard/terminal.js'
import { homeFolder } from '../home.js'
import { readJournal, runAtWork } from '../past-runs.js'
import type { Call } from '../verb.js'

export async function run({ home, out }: Call): Promise<number> {
  const folder = homeFolder(home)
  const journal = await readJournal(folder)
  try {
    const all = await journal.runs()
    const atWork = await runAtWork(folder, all)
    const runs = all.map((summary) => ({
      ...summary,
      status: summary.status === 'running' && summary.run !== atWork ? 'killed' : summary.status,
    }))
    out.document(runs)
    const rows = runs.map(({ run: name, name: pipeline, status, startedAt }) => [
      ...[name, status, timestamp(startedAt), pipeline],
    ])
    const columns = [{ title: 'run' }, { title: 'status' }, { title: 'started (UTC)' }, { title: 'pipeline' }]
    for (const line of terminalTable(columns, rows, { colour: out.isColoured })) out.say(line)
    return 0
  } finally {
    await journal.close()
  }
}
