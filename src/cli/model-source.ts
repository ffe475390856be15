/** Where a command finds a model: in the registry of a home by models:/…, or in a file. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openArtifactStore } from '../core/artifact-store.js'
import type { ArtifactStore } from '../core/artifacts.js'
import { MillraceError } from '../core/errors.js'
import type { ModelRegistry } from '../registry/registry.js'
import { openRegistry, registryFile } from '../registry/sqlite.js'
import { isModelUri, readModelBytes } from '../serving/models.js'
import { commandLine, homeFolder, shownPath } from './home.js'

/** The folder of a home's artifacts. */
export const artifactFolder = (home: string): string => join(home, 'artifacts')

/**
 * The registry of a home that is there; `readOnly` also where nothing may be written. Throws MR_MODEL_UNKNOWN where
 * nothing was ever registered.
 */
export async function existingRegistry(
  home: string | undefined,
  options: { readonly readOnly?: boolean } = {},
): Promise<ModelRegistry> {
  const folder = homeFolder(home)
  const file = registryFile(folder)
  const there = await stat(file).catch(() => undefined)
  if (!there)
    throw new MillraceError('MR_MODEL_UNKNOWN', `no model was ever registered in ${shownPath(folder)}`, {
      hint:
        folder === homeFolder(undefined)
          ? 'millrace run FILE registers one; models of a file in another folder: --home FOLDER/.millrace'
          : `${commandLine(['run', 'FILE'], folder)} registers one`,
    })
  return openRegistry(file, options)
}

export interface ModelSource {
  readonly registry: ModelRegistry
  readonly store: ArtifactStore
  close(): Promise<void>
}

/** Registry and artifacts of a home, for reading; close both with `close`. */
export async function openModelSource(home: string | undefined): Promise<ModelSource> {
  const registry = await existingRegistry(home, { readOnly: true })
  try {
    const store = await openArtifactStore(artifactFolder(homeFolder(home)), { readOnly: true })
    return {
      registry,
      store,
      async close() {
        await store.close()
        await registry.close()
      },
    }
  } catch (error) {
    await registry.close()
    throw error
  }
}

/** A model's bytes. `name` and `version` are the registry's; for a file they are undefined. */
export async function readModelSource(
  model: string,
  home: string | undefined,
): Promise<{ readonly bytes: Uint8Array; readonly name?: string; readonly version?: number }> {
  if (!isModelUri(model)) return { bytes: await readModelBytes(model) }
  const source = await openModelSource(home)
  const { registry, store } = source
  try {
    const { name, version, model: ref } = await registry.resolve(model)
    return { bytes: await store.get(ref), name, version }
  } finally {
    await source.close()
  }
}
