/** Reads runs from a home's journal, without taking the home's lock. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { MillraceError, nearest } from '../core/errors.js'
import { openJournal, type RunJournal } from '../pipeline/journal.js'
import { lockHolder } from '../pipeline/lock.js'
import { foldRun, type RunState } from '../pipeline/state.js'

export interface PastRun {
  readonly state: RunState
  /** The journal has no end for it, and no process works at it. */
  readonly wasKilled: boolean
}

/** Opens the journal for reading; MR_FILE_MISSING if there is none. */
export async function readJournal(home: string): Promise<RunJournal> {
  if (!existsSync(join(home, 'journal')))
    throw new MillraceError('MR_FILE_MISSING', `no runs yet: ${home} has no journal`, {
      hint: 'millrace run FILE starts one; --home names another folder',
    })
  return openJournal(home)
}

/** The run called `run`, or the newest. */
export async function findRun(home: string, run: string | undefined): Promise<PastRun> {
  const journal = await readJournal(home)
  try {
    const runs = await journal.runs()
    const name = run ?? runs.at(-1)?.run
    const state = name === undefined ? undefined : await foldRun(journal.replay(name)).catch(() => undefined)
    if (state === undefined) {
      const names = runs.map((summary) => summary.run)
      const near = run === undefined ? undefined : nearest(run, names)
      throw new MillraceError(
        'MR_RUN_UNKNOWN',
        `there is no run ${run === undefined ? 'yet' : `'${run}'`} in ${home}`,
        {
          hint: near === undefined ? 'millrace runs lists them' : `did you mean ${near}?`,
        },
      )
    }
    return { state, wasKilled: state.status === 'running' && (await lockHolder(home)) === undefined }
  } finally {
    await journal.close()
  }
}
