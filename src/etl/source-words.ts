/** Errors about copies of objects name the objects: nobody knows the names of a cache. */
import { MillraceError } from '../core/errors.js'
import { nameOf, type Source } from './relation.js'

/** Does `work`; an error that it throws names the source's files as people do. */
export async function inWords<T>(source: Pick<Source, 'paths' | 'objects'>, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (source.objects === undefined || !(error instanceof MillraceError)) throw error
    const words = (text: string): string =>
      source.paths.reduce((said, path) => said.replaceAll(path, () => nameOf(source, path)), text)
    throw new MillraceError(error.code, words(error.message), {
      retryable: error.retryable,
      cause: error,
      ...(error.hint === undefined ? {} : { hint: words(error.hint) }),
      ...(error.at === undefined ? {} : { at: { ...error.at, file: words(error.at.file) } }),
    })
  }
}
