/** `millrace open [RUN]`: the run's page, in the browser where there is one. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openArtifactStore } from '../../core/artifact-store.js'
import { MillraceError } from '../../core/errors.js'
import { fileError } from '../../core/files.js'
import { runPage, writeRunPages } from '../finish.js'
import { homeFolder, shownPath } from '../home.js'
import { findRun } from '../past-runs.js'
import { type Call, textOf } from '../verb.js'

export async function run({ args, options, home, out }: Call): Promise<number> {
  const folder = homeFolder(home)
  const { state } = await findRun(folder, textOf(args[0]))
  const store = await openArtifactStore(join(folder, 'artifacts'), { readOnly: true })
  try {
    const page = await writeRunPages(folder, store, state, []).catch((error: unknown) => {
      const known = fileError(error, 'write the page in', join(folder, 'runs', state.run))
      const there = runPage(folder, state.run)
      // in a home that may only be read, the page of the run's end is the page
      if (known instanceof MillraceError && known.code === 'MR_FILE_ACCESS' && existsSync(there)) return there
      throw known
    })
    out.document({ run: state.run, page })
    out.say(shownPath(page))
    if (out.isInteractive && options['print'] !== true) show(page)
    return 0
  } finally {
    await store.close()
  }
}

/** Leaves quietly where there is no browser: the path has been printed. */
function show(page: string): void {
  const [command, ...before] =
    process.platform === 'darwin' ? ['open'] : process.platform === 'win32' ? ['explorer.exe'] : ['xdg-open']
  const child = spawn(command, [...before, page], { detached: true, stdio: 'ignore' })
  child.on('error', () => undefined)
  child.unref()
}
