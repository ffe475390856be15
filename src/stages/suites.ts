/** The suites of expectations that a pipeline file names: read, and looked at before anything runs. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { PipelineConfig } from '../config/config.js'
import { type LoadedConfig, resolvePath } from '../config/load.js'
import { MillraceError } from '../core/errors.js'
import { parseSuite, type Suite } from '../etl/expectations.js'

const suitePaths = (config: PipelineConfig): readonly string[] => config.data.validation_rules.expectations

/** In the file's order. Throws MR_FILE_MISSING, MR_FILE_ACCESS or MR_SUITE_INVALID. */
export async function readSuites(config: PipelineConfig, resolve: (path: string) => string): Promise<readonly Suite[]> {
  const texts = await suiteTexts(config, resolve)
  return texts.map(({ path, text }) => parseSuite(text, path))
}

/** Digest of what is in the files, in their order; what they are called is in the configuration. */
export async function suiteDigest(config: PipelineConfig, resolve: (path: string) => string): Promise<string> {
  const hash = createHash('sha256')
  for (const { text } of await suiteTexts(config, resolve)) hash.update(JSON.stringify(text))
  return hash.digest('hex')
}

/** What is wrong with suites, each with the place in the pipeline file that names it. */
export async function suiteFaults(
  loaded: Pick<LoadedConfig, 'config' | 'folder' | 'positionOf'>,
): Promise<readonly MillraceError[]> {
  const faults: MillraceError[] = []
  for (const [i, path] of suitePaths(loaded.config).entries())
    try {
      parseSuite(await suiteText(path, (relative) => resolvePath(loaded, relative)), path)
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      const at = loaded.positionOf(['data', 'validation_rules', 'expectations', i])
      const hint = error.hint === undefined ? {} : { hint: error.hint }
      faults.push(new MillraceError(error.code, error.message, at === undefined ? hint : { at, ...hint }))
    }
  return faults
}

/** Throws the first fault, with the others: a run that would stop at a suite does not begin. */
export async function requireSuites(loaded: Pick<LoadedConfig, 'config' | 'folder' | 'positionOf'>): Promise<void> {
  const faults = await suiteFaults(loaded)
  const [first] = faults
  if (first === undefined) return
  if (faults.length === 1) throw first
  throw new MillraceError(first.code, `${faults.length} suites cannot be read`, { others: faults })
}

function suiteTexts(
  config: PipelineConfig,
  resolve: (path: string) => string,
): Promise<readonly { readonly path: string; readonly text: string }[]> {
  return Promise.all(suitePaths(config).map(async (path) => ({ path, text: await suiteText(path, resolve) })))
}

async function suiteText(path: string, resolve: (path: string) => string): Promise<string> {
  const file = resolve(path)
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(file))
    throw new MillraceError('MR_SOURCE_SCHEME', `the suite ${path}: suites are read from files`, {
      hint: 'keep the suite beside the pipeline file',
    })
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT')
      throw new MillraceError('MR_FILE_MISSING', `there is no suite ${path}`, {
        hint: 'paths are relative to the pipeline file',
        cause: error,
      })
    throw new MillraceError('MR_FILE_ACCESS', `the suite ${path} cannot be read: ${code ?? String(error)}`, {
      cause: error,
    })
  }
}
