/** A home is the folder with all that Millrace keeps: the journal, the artifacts, the registry, and the lock on it. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openArtifactStore } from '../core/artifact-store.js'
import type { ArtifactStore } from '../core/artifacts.js'
import { systemClock } from '../core/clock.js'
import { clearTemporary, fileError, writeFileAtomic } from '../core/files.js'
import { openJournal, type RunJournal } from './journal.js'
import { lockHome } from './lock.js'

export interface Home {
  readonly path: string
  readonly journal: RunJournal
  readonly store: ArtifactStore
  /** Of the hashes that stand in the journal for secrets. */
  readonly key: Uint8Array
  /** Waits for what was appended; gives back the lock, if it was taken. */
  close(): Promise<void>
}

/** Where the pages of a run are. */
export const runFolder = (home: string, run: string): string => join(home, 'runs', run)

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
    await clearTemporary(path)
    const last = (await opened.runs()).at(-1)
    if (last !== undefined) await clearTemporary(runFolder(path, last.run))
    const store = await openArtifactStore(join(path, 'artifacts'))
    return {
      path,
      journal: opened,
      store,
      key: await homeKey(path),
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

const KEY = 'secret.key'
const KEY_BYTES = 32

/** The random key that only its owner may read; made where there is none. */
async function homeKey(home: string): Promise<Uint8Array> {
  const path = join(home, KEY)
  const known = await readFile(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw fileError(error, "read the home's key", path)
  })
  if (known !== undefined && known.length >= KEY_BYTES) return known
  const made = randomBytes(KEY_BYTES)
  await writeFileAtomic(path, made, 0o600)
  return made
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
    // who may not read it cannot tell whether secrets changed: to them they did
    key: await readFile(join(path, KEY)).catch(() => randomBytes(KEY_BYTES)),
    async close() {
      await journal.close()
      await store.close()
    },
  }
}
