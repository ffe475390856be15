/** Open Inference Protocol v2: a request's tensors to a batch, and what its answer is to hold. */
import type { ColumnType } from '../core/schema.js'
import type { RecordBatch } from '../core/table.js'
import type { ModelMetadata } from '../core/documents.js'
import { malformed as shape, parameter, readElements } from './binary-tensors.js'
import { isObject, kind, makeColumn, refuse, show, type RowReader, setCell, wrong } from './rows.js'

const INTEGERS = ['INT8', 'INT16', 'INT32', 'INT64', 'UINT8', 'UINT16', 'UINT32', 'UINT64'] as const
const FLOATS = ['FP16', 'FP32', 'FP64'] as const

/** Which tensors may carry a column; the first is the one that model metadata names. */
export const DATATYPES: Readonly<Record<ColumnType, readonly string[]>> = {
  number: ['FP64', ...FLOATS, ...INTEGERS],
  integer: ['INT64', ...INTEGERS, ...FLOATS],
  boolean: ['BOOL', ...INTEGERS],
  text: ['BYTES'],
  timestamp: ['INT64', 'BYTES'],
  date: ['INT64', 'BYTES'],
}

export const datatypeOf = (type: ColumnType): string => DATATYPES[type][0] as string

export interface InferRequest {
  readonly batch: RecordBatch
  readonly id: string | undefined
  /** The outputs asked for, in that order; undefined is all, as JSON. */
  readonly outputs: readonly AskedOutput[] | undefined
}

export interface AskedOutput {
  readonly name: string
  /** As bytes after the JSON of the answer. */
  readonly binary: boolean
}

/** Names, types and shapes of a model's outputs; -1 is the number of rows. */
export function outputTensors({ task }: ModelMetadata): readonly { name: string; datatype: string; shape: number[] }[] {
  if (task.kind === 'regression') return [{ name: 'prediction', datatype: 'FP64', shape: [-1] }]
  return [
    { name: 'label', datatype: 'BYTES', shape: [-1] },
    { name: 'probability', datatype: 'FP32', shape: [-1, task.classes.length] },
  ]
}

/**
 * @param body `{"id"?, "inputs": [{"name", "shape": [N] or [N,1], "datatype", "data"}], "outputs"?: [{"name"}]}`, one
 *   tensor a column; null in the data is a missing value; data is a Buffer where it came as bytes (readBinaryBody)
 * @throws MR_REQUEST_SHAPE, MR_REQUEST_COLUMN, MR_REQUEST_VALUE, MR_REQUEST_TOO_LARGE
 */
export function readInferRequest(body: unknown, reader: RowReader, metadata: ModelMetadata): InferRequest {
  if (!isObject(body)) throw shape(`it is ${kind(body)}, not an object`)
  const { id, inputs } = body
  if (id !== undefined && typeof id !== 'string') throw shape(`id is ${kind(id)}, not a text`)
  if (!Array.isArray(inputs)) throw shape(`inputs is ${kind(inputs)}, not a list of tensors`)
  const tensors = new Map<string, Tensor>()
  let rows = -1
  for (const [i, input] of (inputs as unknown[]).entries()) {
    const tensor = readTensor(input, i)
    if (tensors.has(tensor.name)) throw refuse('MR_REQUEST_COLUMN', `the tensor "${tensor.name}" is given twice`)
    if (rows >= 0 && tensor.rows !== rows)
      throw shape(`tensor "${tensor.name}" has ${tensor.rows} rows where others have ${rows}`)
    rows = tensor.rows
    tensors.set(tensor.name, tensor)
  }
  reader.checkColumns([...tensors.keys()])
  reader.checkRows(rows)
  const columns = reader.schema.map((field) => {
    const { datatype, data: given } = tensors.get(field.name) as Tensor
    if (!DATATYPES[field.type].includes(datatype))
      throw refuse(
        'MR_REQUEST_VALUE',
        `column "${field.name}" is of type ${field.type}: its tensor's datatype must be one of ` +
          `${[...new Set(DATATYPES[field.type])].join(', ')}, not ${datatype}`,
      )
    const data = Buffer.isBuffer(given) ? readElements(field, datatype, given, rows) : given
    const column = makeColumn(field, rows)
    const nested = Array.isArray(data[0])
    for (let r = 0; r < rows; r++) {
      const item = data[r]
      const value = nested ? only(item) : item
      if (!setCell(column, r, value, field, 'us')) throw wrong(field, r, value)
    }
    return column
  })
  return { batch: { schema: reader.schema, rows, columns }, id, outputs: readOutputs(body, metadata) }
}

interface Tensor {
  readonly name: string
  readonly datatype: string
  readonly rows: number
  readonly data: readonly unknown[] | Buffer
}

function readTensor(input: unknown, index: number): Tensor {
  const where = `inputs[${index}]`
  if (!isObject(input)) throw shape(`${where} is ${kind(input)}, not a tensor`)
  const { name, shape: dims, datatype, data } = input
  if (typeof name !== 'string') throw shape(`${where}.name is ${kind(name)}, not a text`)
  if (typeof datatype !== 'string') throw shape(`tensor "${name}": datatype is ${kind(datatype)}, not a text`)
  const binary = Buffer.isBuffer(data)
  if (!binary && parameter(input, 'binary_data_size') !== undefined)
    throw shape(`tensor "${name}" has a binary_data_size, and the request no header Inference-Header-Content-Length`)
  if (!binary && !Array.isArray(data)) throw shape(`tensor "${name}": data is ${kind(data)}, not a list`)
  const fits =
    Array.isArray(dims) &&
    (dims.length === 1 || (dims.length === 2 && dims[1] === 1)) &&
    Number.isSafeInteger(dims[0]) &&
    (dims[0] as number) >= 0
  if (!fits) throw shape(`tensor "${name}" has the shape ${show(dims)}; a column is [N] or [N,1]`)
  const rows = dims[0] as number
  if (!binary && data.length !== rows)
    throw shape(`tensor "${name}" has ${data.length} values for the shape ${JSON.stringify(dims)}`)
  return { name, datatype, rows, data: data as readonly unknown[] | Buffer }
}

function only(item: unknown): unknown {
  return Array.isArray(item) && item.length === 1 ? (item as unknown[])[0] : item
}

function readOutputs(body: Readonly<Record<string, unknown>>, metadata: ModelMetadata): AskedOutput[] | undefined {
  const { outputs } = body
  const allBinary = flag(parameter(body, 'binary_data_output'), 'binary_data_output') ?? false
  const known = outputTensors(metadata).map(({ name }) => name)
  if (outputs === undefined || (Array.isArray(outputs) && outputs.length === 0))
    return allBinary ? known.map((name) => ({ name, binary: true })) : undefined
  if (!Array.isArray(outputs)) throw shape(`outputs is ${kind(outputs)}, not a list`)
  const asked = new Map<string, AskedOutput>()
  for (const [i, output] of (outputs as unknown[]).entries()) {
    const name = isObject(output) ? output['name'] : undefined
    if (!isObject(output) || typeof name !== 'string') throw shape(`outputs[${i}] has no name`)
    if (!known.includes(name))
      throw shape(`the model has no output ${JSON.stringify(name)}; it has ${known.join(', ')}`)
    // else a short request could ask for an answer of any length
    if (asked.has(name)) throw shape(`the output "${name}" is asked for twice`)
    const binary = flag(parameter(output, 'binary_data'), `output "${name}": binary_data`) ?? allBinary
    asked.set(name, { name, binary })
  }
  return [...asked.values()]
}

function flag(value: unknown, what: string): boolean | undefined {
  if (value !== undefined && typeof value !== 'boolean') throw shape(`${what} is ${show(value)}, not true or false`)
  return value
}
