/**
 * Spark for a run whose file asks for it: the address, a first call that tells early whether somebody answers there, and
 * the engine. Its client is loaded only then: most runs have no cluster.
 */
import type { PipelineConfig } from '../config/config.js'
import { isWithoutSecrets } from '../config/environment.js'
import type { LoadedConfig } from '../config/load.js'
import type { MachinePlan } from '../config/machine.js'
import type { Memo } from '../core/memo.js'
import { MillraceError } from '../core/errors.js'
import type { Engine } from '../etl/engine.js'
import { parseAddress, type SparkAddress } from '../etl/spark/connect/address.js'

/**
 * Where Spark is; undefined if the engine is another. Throws MR_SPARK_ADDRESS at its place in the file, and MR_RUN_INVALID
 * for a recorded address whose token was not recorded.
 */
export function sparkAddress(
  { data }: Pick<PipelineConfig, 'data'>,
  positionOf: LoadedConfig['positionOf'],
): SparkAddress | undefined {
  const { remote } = data.spark
  if (data.engine !== 'spark' || remote === undefined) return undefined
  if (isWithoutSecrets(remote))
    throw new MillraceError('MR_RUN_INVALID', 'the token of data.spark.remote stood in the file and is not recorded', {
      hint: 'write token=${SPARK_TOKEN} there, which resume takes from the environment; or millrace run FILE, which takes over what is done',
    })
  try {
    return parseAddress(remote)
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    const at = positionOf('data.spark.remote')
    throw new MillraceError(error.code, `data.spark.remote: ${error.message}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(at === undefined ? {} : { at }),
    })
  }
}

/** Spark's version, from a session of its own. Throws MR_SPARK_UNREACHABLE, _AUTH or _VERSION within seconds. */
export async function sparkVersion(address: SparkAddress, signal?: AbortSignal): Promise<string> {
  const { SparkSession } = await import('../etl/spark/connect/session.js')
  // one that the address names is the run's: this one ends here
  const { sessionId: _, ...own } = address
  await using session = await SparkSession.connect(own, signal === undefined ? {} : { signal })
  return session.version
}

export interface SparkForRun {
  readonly config: PipelineConfig
  readonly memo: Memo
  /** Seen by the cluster under the same path. */
  readonly tempFolder: string
  /** Of the engine beside it in this process. */
  readonly embedded: Pick<MachinePlan['effective'], 'threads'> & { readonly memoryLimit: string }
  readonly onNote: ((note: string) => void) | undefined
  readonly signal: AbortSignal | undefined
}

/** The engine on the cluster of `data.spark.remote`, whose address was looked at before. */
export async function openCluster({
  config,
  memo,
  tempFolder,
  embedded,
  onNote,
  signal,
}: SparkForRun): Promise<Engine> {
  const { openSpark } = await import('../etl/spark/engine.js')
  return openSpark({
    remote: config.data.spark.remote ?? '',
    shufflePartitions: config.data.num_partitions,
    ...{ memo, tempFolder, embedded },
    onRetry: ({ attempt, delay, reason }) =>
      onNote?.(`Spark does not answer (${reason}): attempt ${attempt + 1} in ${Math.ceil(delay / 1000)} s`),
    ...(signal === undefined ? {} : { signal }),
  })
}
