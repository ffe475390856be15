/**
 * How a network's output becomes an answer: calibration and threshold, chosen on validation rows alone. `evaluate` writes
 * the model file by it; `register` chooses once more and refuses a file that says otherwise.
 */
import type { PipelineConfig } from '../config/config.js'
import type { ModelMetadata } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { sha256Json } from '../core/json.js'
import type { SplitName } from '../etl/split.js'
import { applyIsotonic, type CalibratorFit } from '../evaluate/calibrators.js'
import type { Threshold } from '../evaluate/threshold.js'
import { type Answered, fitCalibration, thresholdOf } from './decision.js'
import { buildNetworkFile, type ModelParts } from './model-file.js'
import type { PackedAnswers } from './scoring.js'

/** Largest difference between the served file and the batch path: absolute for probabilities, else relative. */
export const PARITY_TOLERANCE = 1e-6

export interface Decision {
  readonly fit: CalibratorFit | undefined
  readonly threshold: Threshold | undefined
  /** The parts of the model file, the calibrator among them. */
  readonly parts: ModelParts
  /** Over packed features: without calibration, and with what of it stands in the network. */
  readonly bareFile: Uint8Array
  readonly networkFile: Uint8Array
  /** The rest of the calibration, on what `networkFile` answers. */
  readonly calibrated: (answers: PackedAnswers) => PackedAnswers
}

/** @param score answers of a network file on a split's packed rows */
export async function decide(
  config: Pick<PipelineConfig, 'evaluation'>,
  bare: ModelParts,
  score: (split: SplitName, file: Uint8Array) => Promise<PackedAnswers>,
  signal?: AbortSignal,
): Promise<Decision> {
  const { task } = bare.plan
  const bareFile = buildNetworkFile(bare)
  const fit = await fitCalibration(
    config,
    task,
    async (what) =>
      (await score('validation', what === 'logits' ? buildNetworkFile(bare, 'logits') : bareFile)) as Answered,
    signal,
  )
  const calibrator = fit?.calibrator
  const parts: ModelParts = { ...bare, calibrator }
  const networkFile = calibrator?.kind === 'temperature' ? buildNetworkFile(parts) : bareFile
  const calibrated = (answers: PackedAnswers): PackedAnswers => {
    if (calibrator?.kind !== 'isotonic') return answers
    const { probabilities, slack } = applyIsotonic(calibrator, answers.values as Float32Array, PARITY_TOLERANCE)
    return { values: probabilities, labels: answers.labels, slack }
  }
  const threshold = thresholdOf(config, task, calibrated(await score('validation', networkFile)) as Answered)
  return { fit, threshold, parts, bareFile, networkFile, calibrated }
}

/** Tells calibrators apart: in the model's metadata beside the words, which two of them may share. */
export function calibratorDigest({ fit }: Pick<Decision, 'fit'>): { readonly calibrator?: string } {
  const calibrator = fit?.calibrator
  if (calibrator === undefined) return {}
  // typed arrays as plain lists, no curve as null
  const plain = JSON.parse(
    JSON.stringify(calibrator, (_, value: unknown) =>
      ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value,
    ),
  ) as unknown
  return { calibrator: sha256Json(plain) }
}

/**
 * Throws MR_LEAK_FOUND where a model file's threshold or calibration is not what the validation rows alone give: it was
 * chosen on other rows, and scores on those would flatter.
 */
export function checkDecision(
  metadata: Pick<ModelMetadata, 'threshold' | 'digests'>,
  { fit, threshold }: Pick<Decision, 'fit' | 'threshold'>,
): void {
  for (const [what, said, found] of [
    ['threshold', metadata.threshold, threshold?.value],
    ['calibration', metadata.digests['calibrator'], calibratorDigest({ fit }).calibrator],
  ] as const)
    if (said !== found)
      throw new MillraceError(
        'MR_LEAK_FOUND',
        `the model file's ${what} is ${said ?? 'none'}, but validation rows alone give ${found ?? 'none'}: it was chosen on other rows`,
        { hint: 'choose it on validation rows, by evaluation.threshold and evaluation.calibration; then run it again' },
      )
}
