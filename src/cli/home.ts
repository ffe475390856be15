/** Where journal, artifacts and registry of a pipeline are. */
import { dirname, join, resolve } from 'node:path'

/** `--home`, else `.millrace` beside the pipeline file, else in the current folder. */
export function homeFolder(home: string | undefined, pipelineFile?: string): string {
  if (home !== undefined) return resolve(home)
  return join(pipelineFile === undefined ? process.cwd() : dirname(resolve(pipelineFile)), '.millrace')
}
