/** `millrace serve`: the prediction server, until Ctrl-C. */
import { readFile } from 'node:fs/promises'
import { MillraceError } from '../../core/errors.js'
import { fileError } from '../../core/files.js'
import { isModelUri, ServedModels } from '../../serving/models.js'
import { type RunningServer, startServer } from '../../serving/server.js'
import { openModelSource } from '../model-source.js'
import { packageVersion } from '../package-version.js'
import { printable } from '../output.js'
import { type Call, listOf, textOf } from '../verb.js'

/** Milliseconds that requests have to finish after Ctrl-C. */
const DRAIN_MS = 10_000

/** 0 after it was told to stop and has answered what it had. */
export async function run({ args, options, home, out, signal }: Call): Promise<number> {
  const sources = listOf(args[0])
  const port = whole(options['port'], '--port', 0, 65_535) ?? 8080
  const maxBatch = whole(options['maxBatch'], '--max-batch', 1, 65_536)
  const pollMs = whole(options['poll'], '--poll', 10, 3_600_000)
  const drainDelay = whole(options['drainDelay'], '--drain-delay', 0, 600_000)
  const host = textOf(options['host']) ?? '127.0.0.1'
  const unknownColumns = textOf(options['unknownColumns']) ?? 'refuse'
  if (unknownColumns !== 'refuse' && unknownColumns !== 'ignore')
    throw new MillraceError('MR_USAGE', `--unknown-columns is refuse or ignore, not ${unknownColumns}`)
  const token = await readToken(textOf(options['tokenFile']))
  const log = (level: string, message: string): void => {
    process.stderr.write(`${level}: ${printable(message)}\n`)
  }
  const source = sources.some(isModelUri) ? await openModelSource(home) : undefined
  try {
    const models = await ServedModels.open({
      sources,
      worker: true,
      unknownColumns,
      log,
      ...(source && { registry: source.registry, store: source.store }),
      ...(maxBatch === undefined ? {} : { maxBatch }),
      ...(pollMs === undefined ? {} : { pollMs }),
    })
    let server: RunningServer
    try {
      server = await startServer({
        models,
        version: packageVersion(),
        host,
        port,
        logger: log,
        ...(drainDelay === undefined ? {} : { limits: { drainDelay } }),
        ...(token === undefined ? {} : { token }),
      })
    } catch (error) {
      await models.close()
      throw error
    }
    const served = models.numbers().map(({ name, version, digest }) => ({ name, version, digest }))
    const names = served.map(({ name, version }) => `${name} version ${version}`).join(', ')
    out.say(`serving ${printable(names)} at ${server.address}`)
    out.document({ event: 'serving', address: server.address, models: served })
    await aborted(signal)
    await server.stop((drainDelay ?? 0) + DRAIN_MS)
    return 0
  } finally {
    await source?.close()
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  // the server's socket keeps the process alive meanwhile
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

async function readToken(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw fileError(error, 'read the token file', path)
  })
  const token = text.trim()
  if (!/^[\x21-\x7e]{8,}$/.test(token))
    throw new MillraceError('MR_SERVER_TOKEN', `the token in ${path} must be 8 or more visible ASCII characters`, {
      hint: `openssl rand -hex 32 > ${path}`,
    })
  return token
}

/** An option that is a whole number; undefined if absent. Throws MR_USAGE. */
function whole(value: Call['options'][string], flag: string, low: number, high: number): number | undefined {
  const text = textOf(value)
  if (text === undefined) return undefined
  const number = /^\d{1,9}$/.test(text) ? Number(text) : NaN
  if (!(number >= low && number <= high))
    throw new MillraceError('MR_USAGE', `${flag} is a whole number from ${low} to ${high}, not ${JSON.stringify(text)}`)
  return number
}
