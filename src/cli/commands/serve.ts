/** `millrace serve`: the prediction server, until Ctrl-C. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import { fileError } from '../../core/files.js'
import { isModelUri, ServedModels, type ServerLog } from '../../serving/models.js'
import { PredictionLog } from '../../serving/prediction-log.js'
import { type RunningServer, startServer } from '../../serving/server.js'
import { parseShare, parseSplit } from '../../serving/traffic.js'
import { openModelSource } from '../model-source.js'
import { packageVersion } from '../package-version.js'
import { printable } from '../output.js'
import { type Call, listOf, textOf } from '../verb.js'

/** Milliseconds that requests have to finish after Ctrl-C. */
const DRAIN_MS = 10_000
/** Milliseconds for which rows may wait for a run; a client that waits longer has mostly given up. */
const TIMEOUT_MS = 10_000

/** 0 after it was told to stop and has answered what it had. */
export async function run({ args, options, home, out, signal }: Call): Promise<number> {
  const sources = listOf(args[0])
  const port = whole(options['port'], '--port', 0, 65_535) ?? 8080
  const batching = given({
    maxBatch: whole(options['maxBatch'], '--max-batch', 1, 65_536),
    maxWait: whole(options['maxWait'], '--max-wait', 0, 60_000),
    timeout: whole(options['timeout'], '--timeout', 1, 3_600_000) ?? TIMEOUT_MS,
    maxRows: whole(options['maxRows'], '--max-rows', 1, 10_000_000),
    maxQueue: whole(options['maxQueue'], '--max-queue', 1, 100_000_000),
  })
  const pollMs = whole(options['poll'], '--poll', 10, 3_600_000)
  const drainDelay = whole(options['drainDelay'], '--drain-delay', 0, 600_000)
  const limits = given({
    drainDelay,
    body: whole(options['maxBody'], '--max-body', 1, 500_000_000),
    maxActive: whole(options['maxActive'], '--max-active', 1, 1_000_000),
    maxBodies: whole(options['maxBodies'], '--max-bodies', 1, 100_000_000_000),
    maxConnections: whole(options['maxConnections'], '--max-connections', 1, 1_000_000),
  })
  const host = textOf(options['host']) ?? '127.0.0.1'
  const unknownColumns = textOf(options['unknownColumns']) ?? 'refuse'
  if (unknownColumns !== 'refuse' && unknownColumns !== 'ignore')
    throw new MillraceError('MR_USAGE', `--unknown-columns is refuse or ignore, not ${unknownColumns}`)
  const token = await readToken(textOf(options['tokenFile']))
  const log: ServerLog = (level, message) => {
    process.stderr.write(`${level}: ${printable(message)}\n`)
  }
  const canaries = listOf(options['canary']).map((text) => parseSplit(text, '--canary'))
  const shadows = listOf(options['shadow']).map((text) => parseSplit(text, '--shadow', 1))
  const canaryKey = textOf(options['canaryKey'])
  const named = [...sources, ...[...canaries, ...shadows].map((split) => split.source)]
  const source = named.some(isModelUri) ? await openModelSource(home) : undefined
  let predictionLog: PredictionLog | undefined
  try {
    predictionLog = await openPredictionLog(options, log, (path, rows) => {
      out.document({ event: 'log_file', path, rows })
    })
    const models = await ServedModels.open({
      sources,
      canaries,
      shadows,
      onEvent: (event) => out.document(event),
      worker: true,
      unknownColumns,
      log,
      ...(source && { registry: source.registry, store: source.store }),
      ...batching,
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
        limits,
        ...(token === undefined ? {} : { token }),
        ...(canaryKey === undefined ? {} : { canaryKey }),
        ...(predictionLog && { predictionLog }),
      })
    } catch (error) {
      await models.close()
      throw error
    }
    const served = models.list()
    const names = served
      .filter(({ version }) => version !== null)
      .map(({ name, version, role, share }) => {
        const part = role === 'served' ? '' : ` (${role}, ${Number((share * 100).toFixed(7))}%)`
        return `${name} version ${version}${part}`
      })
      .join(', ')
    out.say(`serving ${printable(names)} at ${server.address}`)
    out.document({ event: 'serving', address: server.address, models: served })
    await aborted(signal)
    await server.stop((drainDelay ?? 0) + DRAIN_MS)
    return 0
  } finally {
    await predictionLog?.close()
    await source?.close()
  }
}

/** Undefined without --log-predictions; throws MR_USAGE where an option of the log is given without it. */
async function openPredictionLog(
  options: Call['options'],
  logger: ServerLog,
  onFile: (path: string, rows: number) => void,
): Promise<PredictionLog | undefined> {
  const folder = textOf(options['logPredictions'])
  const share = parseShare(textOf(options['logSample']) ?? '100%', '--log-sample')
  const rows = whole(options['logRows'], '--log-rows', 1, 100_000_000)
  const megabytes = whole(options['logMb'], '--log-mb', 1, 256)
  const minutes = whole(options['logMinutes'], '--log-minutes', 1, 1440)
  if (folder === undefined) {
    const alone = ['logSample', 'logRows', 'logMb', 'logMinutes'].some((name) => options[name] !== undefined)
    if (alone) throw new MillraceError('MR_USAGE', '--log-… options need --log-predictions FOLDER')
    return undefined
  }
  return PredictionLog.open({
    folder: resolve(folder),
    share,
    logger,
    onFile,
    ...(rows === undefined ? {} : { rows }),
    ...(megabytes === undefined ? {} : { bytes: megabytes * 2 ** 20 }),
    ...(minutes === undefined ? {} : { ms: minutes * 60_000 }),
  })
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

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the options that were not given: others have defaults for them. */
function given<T extends object>(options: T): Given<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<T>
}

/** An option that is a whole number; undefined if absent. Throws MR_USAGE. */
function whole(value: Call['options'][string], flag: string, low: number, high: number): number | undefined {
  const text = textOf(value)
  if (text === undefined) return undefined
  const number = /^\d{1,12}$/.test(text) ? Number(text) : NaN
  if (!(number >= low && number <= high))
    throw new MillraceError('MR_USAGE', `${flag} is a whole number from ${low} to ${high}, not ${JSON.stringify(text)}`)
  return number
}
