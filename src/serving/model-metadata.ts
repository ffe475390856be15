/** The `millrace` entry of a model file, checked field by field: it comes from outside and decides how rows are read. */
import type { ModelMetadata, WindowDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import type { ColumnType, Field, Task } from '../core/schema.js'

const TYPES: readonly ColumnType[] = ['number', 'integer', 'boolean', 'text', 'timestamp', 'date']

function fail(what: string): never {
  throw new MillraceError('MR_MODEL_FILE_METADATA', `the model file's metadata cannot be used: ${what}`, {
    hint: 'Millrace runs model files that it made: `millrace run` writes one, `millrace export` copies it out',
  })
}

/** @param json the entry's text; undefined where the file has none. Throws MR_MODEL_FILE_METADATA. */
export function parseMetadata(json: string | undefined): ModelMetadata {
  if (json === undefined) fail('it has no "millrace" entry, so its columns and classes are unknown')
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    fail('its "millrace" entry is not JSON')
  }
  const entry = record(value, 'millrace')
  if (entry['format'] !== 1) fail(`its format is ${JSON.stringify(entry['format'])}; this version reads format 1`)
  const threshold = entry['threshold']
  if (threshold !== undefined && (typeof threshold !== 'number' || !(threshold >= 0 && threshold <= 2)))
    fail('threshold is not a number from 0 to 1, nor one up to 2 that no probability reaches')
  const seed = entry['seed']
  if (typeof seed !== 'number' || !Number.isFinite(seed)) fail('seed is not a number')
  return {
    format: 1,
    name: text(entry['name'], 'name'),
    version: text(entry['version'], 'version'),
    task: task(entry['task']),
    label: text(entry['label'], 'label'),
    inputs: fields(entry['inputs']),
    ...(entry['leftOut'] === undefined ? {} : { leftOut: names(entry['leftOut'], 'leftOut') }),
    ...(entry['windows'] === undefined ? {} : { windows: windows(entry['windows'], fields(entry['inputs'])) }),
    ...(threshold === undefined ? {} : { threshold }),
    ...(entry['calibration'] === undefined ? {} : { calibration: text(entry['calibration'], 'calibration') }),
    seed,
    digests: texts(entry['digests'], 'digests'),
    engines: texts(entry['engines'], 'engines'),
  }
}

function record(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(`${where} is not an object`)
  return value as Record<string, unknown>
}

function text(value: unknown, where: string): string {
  return typeof value === 'string' ? value : fail(`${where} is not a text`)
}

function texts(value: unknown, where: string): Readonly<Record<string, string>> {
  // fromEntries defines properties, so a key `__proto__` stays a plain key
  return Object.fromEntries(
    Object.entries(record(value ?? {}, where)).map(([key, item]) => [key, text(item, `${where}.${key}`)]),
  )
}

function names(value: unknown, where: string): readonly string[] {
  if (!Array.isArray(value)) fail(`${where} is not a list of names`)
  return value.map((name, i) => text(name, `${where}[${i}]`))
}

function task(value: unknown): Task {
  const { kind, classes, positive } = record(value, 'task')
  if (kind === 'regression') return { kind }
  if (kind !== 'classification') fail(`task.kind is ${JSON.stringify(kind)}, not classification or regression`)
  if (!Array.isArray(classes) || classes.length === 0) fail('task.classes is not a list of names')
  const known = names(classes, 'task.classes')
  if (new Set(known).size !== known.length) fail('task.classes names a class twice')
  if (positive !== undefined && positive !== null && !known.includes(positive as string))
    fail('task.positive is not one of the classes')
  return { kind, classes: known, ...(typeof positive === 'string' ? { positive } : {}) }
}

const COMPUTED = ['count', 'sum', 'mean', 'min', 'max', 'lag']

/** Windows over columns that they read, each an input of the model. */
function windows(value: unknown, inputs: readonly Field[]): readonly WindowDocument[] {
  if (!Array.isArray(value) || value.length === 0) fail('windows is not a list of windows')
  return value.map((item, i) => {
    const where = `windows[${i}]`
    const entry = record(item, where)
    const name = text(entry['name'], `${where}.name`)
    if (!inputs.some((input) => input.name === name)) fail(`${where}.name is "${name}", which is no input`)
    if (value.findIndex((other) => record(other, where)['name'] === name) < i) fail(`windows names "${name}" twice`)
    const reads = fields(entry['reads'], `${where}.reads`)
    const column = (key: string): string => {
      const found = text(entry[key], `${where}.${key}`)
      return reads.some((field) => field.name === found) ? found : fail(`${where}.${key} is not in its reads`)
    }
    const whole = (key: string): Record<string, number> => {
      const found = entry[key]
      if (found === undefined) return {}
      if (typeof found !== 'number' || !Number.isSafeInteger(found) || found < 1)
        fail(`${where}.${key} is not a whole number above 0`)
      return { [key]: found }
    }
    const compute = text(entry['compute'], `${where}.compute`)
    if (!COMPUTED.includes(compute)) fail(`${where}.compute is ${JSON.stringify(compute)}`)
    if (compute !== 'count' && entry['of'] === undefined) fail(`${where} computes ${compute} of nothing`)
    if ((entry['over'] === undefined) === (entry['rows'] === undefined)) fail(`${where} needs over or rows`)
    const { scale } = entry
    if (scale !== undefined && !(typeof scale === 'number' && scale > 0 && Number.isInteger(Math.log2(scale))))
      fail(`${where}.scale is not a power of two`)
    return {
      name,
      by: column('by'),
      ...(entry['of'] === undefined ? {} : { of: column('of') }),
      compute,
      ...whole('over'),
      ...whole('rows'),
      ...whole('delay'),
      timestamp: column('timestamp'),
      reads,
      ...(typeof scale === 'number' ? { scale } : {}),
      inWords: text(entry['inWords'], `${where}.inWords`),
    }
  })
}

function fields(value: unknown, where = 'inputs'): readonly Field[] {
  if (!Array.isArray(value) || value.length === 0) fail(`${where} is not a list of columns`)
  const seen = new Set<string>()
  return value.map((item, i) => {
    const { name, type } = record(item, `${where}[${i}]`)
    const column = text(name, `${where}[${i}].name`)
    if (seen.has(column)) fail(`${where} names the column "${column}" twice`)
    seen.add(column)
    if (!TYPES.includes(type as ColumnType)) fail(`${where}[${i}].type is ${JSON.stringify(type)}`)
    return { name: column, type: type as ColumnType }
  })
}
