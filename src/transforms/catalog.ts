/** The table of transforms by name: what a pipeline file may name as a step. */
import { MillraceError, nearest } from '../core/errors.js'
import { asText } from './as_text.js'
import { bucket } from './bucket.js'
import { clip } from './clip.js'
import { dateParts } from './date_parts.js'
import { impute } from './impute.js'
import { log } from './log.js'
import { minMax } from './min_max.js'
import { robust } from './robust.js'
import { standard } from './standard.js'
import type { FittedStep, Transform } from './transform.js'
import { index, oneHot } from './vocabulary.js'

export type AnyTransform = Transform<unknown, unknown>

export const TRANSFORMS: ReadonlyMap<string, AnyTransform> = new Map(
  [impute, standard, minMax, robust, log, clip, bucket, index, oneHot, asText, dateParts].map((transform) => [
    transform.name,
    transform as AnyTransform,
  ]),
)

/** The transform of this name; MR_TRANSFORM_UNKNOWN names the nearest and lists all. */
export function transformNamed(name: string, column: string): AnyTransform {
  const found = TRANSFORMS.get(name)
  if (found !== undefined) return found
  const near = nearest(name, TRANSFORMS.keys())
  throw new MillraceError(
    'MR_TRANSFORM_UNKNOWN',
    `column ${JSON.stringify(column)}: there is no step ${JSON.stringify(name)}; there are ${[...TRANSFORMS.keys()].join(', ')}`,
    near === undefined ? {} : { hint: `did you mean ${near}?` },
  )
}

/** The transform that fitted this step; MR_TRANSFORM_VERSION where it has changed since. */
export function fittedTransform(step: FittedStep, column: string): AnyTransform {
  const transform = transformNamed(step.transform, column)
  if (transform.version !== step.version)
    throw new MillraceError(
      'MR_TRANSFORM_VERSION',
      `column ${JSON.stringify(column)}: the plan was fitted by version ${step.version} of ${step.transform}, this is version ${transform.version}`,
      { hint: 'run the pipeline again' },
    )
  return transform
}
