/** Reads runs from a home's journal, without taking the home's lock. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { MillraceError, nearest } from '../core/errors.js'
import { openJournal, type RunJournal } from '../pipeline/journal.js'
import type { RunSummary } from '../pipeline/journal-index.js'
import { lockHolder } from '../pipeline/lock.js'
import { commandLine, homeFolder, shownPath } from './home.js'
import { foldRun, type RunState } from '../pipeline/state.js'

export interface PastRun {
  readonly state: RunState
  /** The journal has no end for it, and no process works at it. */
  readonly wasKilled: boolean
}

/** The journal is beside the pipeline file, and a person often stands in another folder. */
const ELSEWHERE = 'millrace run FILE starts one; runs of a file in another folder: --home FOLDER/.millrace'

/** Opens the journal for reading; MR_FILE_MISSING if there is none. */
export async function readJournal(home: string): Promise<RunJournal> {
  if (!existsSync(join(home, 'journal')))
    throw new MillraceError('MR_FILE_MISSING', `no runs yet: ${shownPath(home)} has no journal`, {
      hint: home === homeFolder(undefined) ? ELSEWHERE : `${commandLine(['run', 'FILE'], home)} starts one`,
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
        `there is no run ${run === undefined ? 'yet' : `'${run}'`} in ${shownPath(home)}`,
        { hint: near === undefined ? `${commandLine(['runs'], home)} lists them` : `did you mean ${near}?` },
      )
    }
    return { state, wasKilled: state.status === 'running' && (await runAtWork(home, runs)) !== name }
  } finally {
    await journal.close()
  }
}

/** The run that a process works at now; undefined if none does. `resume` names its run in the lock, `run` is the newest. */
export async function runAtWork(home: string, runs: readonly RunSummary[]): Promise<string | undefined> {
  const holder = await lockHolder(home)
  if (holder === undefined) return undefined
  return (runs.find(({ run }) => `run ${run}` === holder.work) ?? runs.findLast(({ status }) => status === 'running'))
    ?.run
}
