/** Reads a step's options from what the file says; every fault names the key, its value and the rule. */
import { nearest } from '../core/errors.js'
import { StepFault } from './transform.js'

export function fault(rule: string, given: unknown, hint?: string): StepFault {
  return new StepFault('MR_TRANSFORM_OPTIONS', `${rule}, not ${JSON.stringify(given) ?? String(given)}`, hint)
}

/** `given` as a map with no other keys than `known`; {} where nothing is given. */
export function optionMap(given: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (given === undefined || given === null) return {}
  if (typeof given !== 'object' || Array.isArray(given))
    throw fault(known.length === 0 ? 'it takes no options' : `options are a map of ${known.join(', ')}`, given)
  for (const key of Object.keys(given))
    if (!known.includes(key)) {
      const near = nearest(key, known)
      throw new StepFault(
        'MR_TRANSFORM_OPTIONS',
        `unknown option ${JSON.stringify(key)}; ${known.length === 0 ? 'it takes none' : `there are ${known.join(', ')}`}`,
        near === undefined ? undefined : `did you mean ${near}?`,
      )
    }
  return given as Readonly<Record<string, unknown>>
}

export function finiteNumber(name: string, given: unknown): number {
  if (typeof given !== 'number' || !Number.isFinite(given)) throw fault(`${name} must be a finite number`, given)
  return given
}

export function wholeNumber(name: string, given: unknown, low: number, high: number): number {
  if (typeof given !== 'number' || !Number.isInteger(given) || given < low || given > high)
    throw fault(`${name} must be a whole number from ${low} to ${high}`, given)
  return given
}

export function choice<Name extends string>(name: string, given: unknown, known: readonly Name[]): Name {
  const found = known.find((item) => item === given)
  if (found !== undefined) return found
  const near = typeof given === 'string' ? nearest(given, known) : undefined
  throw fault(`${name} must be one of ${known.join(', ')}`, given, near && `did you mean ${near}?`)
}
