/**
 * What a model's requests and answers look like, as JSON Schema (2020-12, as OpenAPI 3.1 takes it), with an example row
 * that every model of these columns answers. What a schema here accepts, the readers (rows.ts, tensors.ts) accept; they
 * take a few spellings more, which the descriptions name.
 */
import type { ColumnType, Field } from '../core/schema.js'
import type { ServedModel } from './served-model.js'
import { DATATYPES, datatypeOf, outputTensors } from './tensors.js'

export type JsonSchema = Readonly<Record<string, unknown>>

const VALUES: Readonly<Record<ColumnType, JsonSchema>> = {
  number: { type: ['number', 'null'] },
  integer: { type: ['integer', 'null'] },
  boolean: { type: ['boolean', 'null'], description: '0 and 1 are taken too' },
  text: { type: ['string', 'null'] },
  timestamp: {
    type: ['string', 'integer', 'null'],
    format: 'date-time',
    description: 'ISO 8601, without an offset UTC; or milliseconds since 1970 UTC (from 1e14 on microseconds)',
  },
  date: {
    type: ['string', 'integer', 'null'],
    format: 'date',
    description: 'ISO 8601; or milliseconds since 1970 UTC (from 1e14 on microseconds)',
  },
}

const EXAMPLES: Readonly<Record<ColumnType, unknown>> = {
  number: 1.5,
  integer: 2,
  boolean: true,
  text: 'text',
  timestamp: '2026-01-31T12:00:00Z',
  date: '2026-01-31',
}

/** In a tensor of the datatype that model metadata names, times are microseconds. */
const TENSOR_EXAMPLES: Readonly<Record<ColumnType, unknown>> = {
  ...EXAMPLES,
  timestamp: Date.UTC(2026, 0, 31, 12) * 1000,
  date: Date.UTC(2026, 0, 31) * 1000,
}

/** A row with a value for each column. */
export function exampleRow(inputs: readonly Field[]): Readonly<Record<string, unknown>> {
  // fromEntries defines properties, so a column `__proto__` is a plain key
  return Object.fromEntries(inputs.map(({ name, type }) => [name, EXAMPLES[type]]))
}

/** The same row as a request of the Open Inference Protocol. */
export function exampleTensors(inputs: readonly Field[]): JsonSchema {
  const tensor = ({ name, type }: Field): object => ({
    name,
    shape: [1, 1],
    datatype: datatypeOf(type),
    data: [TENSOR_EXAMPLES[type]],
  })
  return { id: '1', inputs: inputs.map(tensor) }
}

const string = { type: 'string' }
const object = (properties: JsonSchema, required = Object.keys(properties)): JsonSchema => ({
  type: 'object',
  properties,
  required,
})
const list = (items: JsonSchema, limits: JsonSchema = {}): JsonSchema => ({ type: 'array', items, ...limits })

/** `[v, …]` or `[[v], …]`: both are a column. */
function columnOf(value: JsonSchema, maxItems: number): JsonSchema {
  return { anyOf: [list(value, { maxItems }), list(list(value, { minItems: 1, maxItems: 1 }), { maxItems })] }
}

/** One column's value; a window says what it is made of. */
function valueOf({ metadata }: ServedModel, { name, type }: Field): JsonSchema {
  const window = metadata.windows?.find((found) => found.name === name)
  return window ? { ...VALUES[type], description: `${window.inWords}, computed from the rows before` } : VALUES[type]
}

/**
 * Schemas of one version, by what they describe: `row`, `invocations`, `predictions` and `infer` are bodies;
 * `prediction`, `invocationsAnswer`, `predictionsAnswer` and `inferAnswer` are of answers. `ref` names another of them.
 */
export function schemasOf(model: ServedModel, ref: (kind: string) => JsonSchema): Readonly<Record<string, JsonSchema>> {
  const { metadata, reader } = model
  const { inputs, leftOut = [], task } = metadata
  const { maxRows: maxItems } = reader
  const names = inputs.map(({ name }) => name)
  const columns = Object.fromEntries(inputs.map((field) => [field.name, valueOf(model, field)]))
  const unused = { description: 'a column of the training data that the model does not use' }
  const rows = list(ref('row'), { maxItems })
  const strict = reader.ignoreUnknown ? {} : { additionalProperties: false }
  const known = { ...Object.fromEntries(leftOut.map((name) => [name, unused])), ...columns }

  const byColumn = Object.fromEntries(inputs.map((field) => [field.name, columnOf(valueOf(model, field), maxItems)]))
  const cell = { type: ['number', 'string', 'boolean', 'null'] }
  const split = object({
    columns: list(string, { description: `each of ${names.length} columns once`, minItems: names.length }),
    data: list(list(cell, { minItems: names.length }), { maxItems }),
  })
  const invocations = [
    rows,
    object({ dataframe_records: rows }),
    object({ dataframe_split: split }),
    object({ instances: rows }),
    object({ inputs: { anyOf: [rows, object(byColumn, names)] } }),
  ]
  const wrapped = names.includes('data') ? [] : [object({ data: { anyOf: [ref('row'), rows] } })]

  const tensor = (field: Field): JsonSchema =>
    object({
      name: { const: field.name },
      shape: list({ type: 'integer', minimum: 0 }, { minItems: 1, maxItems: 2, description: '[N] or [N, 1]' }),
      datatype: { enum: [...new Set(DATATYPES[field.type])] },
      data: columnOf(valueOf(model, field), maxItems),
    })
  const outputs = outputTensors(metadata)
  const flag = (name: string): JsonSchema => object({ [name]: { type: 'boolean' } }, [])
  const asked = object({ name: { enum: outputs.map(({ name }) => name) }, parameters: flag('binary_data') }, ['name'])

  const number = { type: ['number', 'null'], description: 'null where the model gives no finite number' }
  const label = task.kind === 'regression' ? number : { type: 'string', enum: [...task.classes] }
  const probabilities: readonly (readonly [string, JsonSchema])[] =
    task.kind === 'regression' ? [] : task.classes.map((name) => [`probability_${name}`, number] as const)
  const output = ({ name, datatype }: (typeof outputs)[number]): JsonSchema =>
    object({
      name: { const: name },
      datatype: { const: datatype },
      shape: list({ type: 'integer' }),
      data: list(datatype === 'BYTES' ? label : number),
    })
  return {
    row: { type: 'object', properties: known, required: names, ...strict },
    invocations: { oneOf: invocations },
    predictions: { anyOf: [ref('row'), ...wrapped, ...invocations] },
    infer: object(
      {
        ...{ id: string, inputs: list({ anyOf: inputs.map(tensor) }), outputs: list(asked) },
        parameters: flag('binary_data_output'),
      },
      ['inputs'],
    ),
    prediction:
      task.kind === 'regression' ? number : object({ prediction: label, ...Object.fromEntries(probabilities) }),
    invocationsAnswer: object({ predictions: list(ref('prediction')) }),
    predictionsAnswer: { anyOf: [ref('prediction'), list(ref('prediction'))] },
    inferAnswer: object(
      { model_name: string, model_version: string, id: string, outputs: list({ anyOf: outputs.map(output) }) },
      ['model_name', 'model_version', 'outputs'],
    ),
  }
}
