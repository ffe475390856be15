/** A home is the folder with all that Millrace keeps: the journal, the artifacts, the registry, and the lock on it. */
import { join } from 'node:path'
import { openArtifactStore } from '../core/artifact-store.js'
import type { ArtifactStore } from '../core/artifacts.js'
import { systemClock } from '../core/clock.js'
import { openJournal, type RunJournal } from './journal.js'
import { lockHome } from './lock.js'

export interface Home {
  readonly path: string
  readonly journal: RunJournal
  readonly store: ArtifactStore
  /** Waits for what was appended; gives back the lock, if it was taken. */
  close(): Promise<void>
}

/**
 * Opens a home to run pipelines in it: MR_HOME_LOCKED if another process does so already.
 * @param work what will be done there, shown to others that find it locked: `pipeline churn`
 */
export async function openHome(path: string, work = 'a program'): Promise<Home> {
  const lock = await lockHome(path, work, systemClock.now())
  let journal: RunJournal | undefined
  try {
    journal = await openJournal(path, { write: true })
    const opened = journal
    const store = await openArtifactStore(join(path, 'artifacts'))
    return {
      path,
      journal: opened,
      store,
      async close() {
        await opened.close()
        await store.close()
        await lock.release()
      },
    }
  } catch (error) {
    await journal?.close()
    await lock.release()
    throw error
  }
}

/**
 * Opens a home to look at it: takes no lock, makes and changes nothing, and works beside a run. A folder that is not
 * there, or is no home yet, has no runs.
 */
export async function readHome(path: string): Promise<Home> {
  const journal = await openJournal(path, { orEmpty: true })
  const store = await openArtifactStore(join(path, 'artifacts'), { readOnly: true })
  return {
    path,
    journal,
    store,
    async close() {
      await journal.close()
      await store.close()
    },
  }
}
