/** A folder that Millrace published is read back by its manifest, which names the files that are the table. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../core/errors.js'
import { withinRoot } from '../core/files.js'

/** Bytes; a longer file is data that happens to be called so (a manifest has some 200 bytes a data file). */
const LONGEST = 64 * 2 ** 20

/**
 * The absolute paths of the files that `<folder>/manifest.json` names, if that is one of Millrace's (stages/publish.ts);
 * else undefined. Throws MR_FILE_OUTSIDE where one leads out of the folder, MR_FILE_MISSING where one is not there.
 */
export async function publishedFiles(folder: string): Promise<string[] | undefined> {
  const manifest = join(folder, 'manifest.json')
  const size = (await stat(manifest).catch(() => undefined))?.size ?? Infinity
  const named = size > LONGEST ? undefined : namedIn(await readFile(manifest, 'utf8').catch(() => ''))
  if (named === undefined) return undefined
  const paths: string[] = []
  for (const name of named) {
    const path = await withinRoot(folder, name)
    if ((await stat(path).catch(() => undefined))?.isFile() !== true)
      throw new MillraceError('MR_FILE_MISSING', `${manifest} names the file ${name}, which is not there`, {
        hint: 'run the pipeline that published it again',
      })
    paths.push(path)
  }
  return paths
}

function namedIn(text: string): readonly string[] | undefined {
  try {
    const { format, table, files } = JSON.parse(text) as Record<string, unknown>
    if (format !== 1 || typeof table !== 'string' || !Array.isArray(files)) return undefined
    const paths = (files as unknown[]).map((file) => (file as { path?: unknown } | null)?.path)
    return paths.every((path) => typeof path === 'string') ? paths : undefined
  } catch {
    return undefined
  }
}
