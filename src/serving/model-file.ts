/**
 * Reads a `model.onnx` and refuses every file that is not one of ours or not safe to open: the checks happen on the
 * parsed protobuf, before ONNX Runtime sees a byte.
 */
import { createHash } from 'node:crypto'
import type { ModelMetadata } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { ELEMENT, INPUT_TYPE, modelMetadata, readModel } from '../core/onnx/graph.js'
import { type GraphProto, type ModelProto, TensorProto_DataType as DataType } from '../core/onnx/onnx_pb.js'
import { checkSafe } from './model-safety.js'
import { parseMetadata } from './model-metadata.js'

export interface ModelFile {
  readonly metadata: ModelMetadata
  readonly digest: `sha256:${string}`
}

/**
 * @param bytes a whole model.onnx
 * @returns its `millrace` metadata and the SHA-256 of the bytes
 * @throws MR_MODEL_FILE_UNREADABLE (not ONNX), MR_MODEL_FILE_METADATA (not made by Millrace), MR_MODEL_FILE_CONTRACT
 *   (inputs or outputs against SPEC 7), MR_MODEL_FILE_UNSAFE (external data, custom operators, absurd dimensions)
 */
export function readModelFile(bytes: Uint8Array): ModelFile {
  let model: ModelProto
  try {
    model = readModel(bytes)
  } catch (cause) {
    throw new MillraceError('MR_MODEL_FILE_UNREADABLE', `the model file (${bytes.length} bytes) is not an ONNX file`, {
      cause,
      hint: 'give a model.onnx made by `millrace run` or `millrace export`',
    })
  }
  const { graph } = model
  if (!graph || graph.output.length === 0)
    throw new MillraceError(
      'MR_MODEL_FILE_UNREADABLE',
      `the model file (${bytes.length} bytes) holds no graph; it is empty, cut short or not an ONNX file`,
      { hint: 'give a model.onnx made by `millrace run` or `millrace export`' },
    )
  checkSafe(model, graph)
  const metadata = parseMetadata(modelMetadata(model).get('millrace'))
  checkInputs(graph, metadata)
  checkOutputs(graph, metadata)
  return { metadata, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` }
}

function contract(what: string): never {
  throw new MillraceError('MR_MODEL_FILE_CONTRACT', `the model file does not keep the contract: ${what}`, {
    hint: 'export the model again with the version of Millrace that made it',
  })
}

interface Port {
  readonly type: DataType
  /** A free dimension is -1. */
  readonly dims: readonly number[]
}

function ports(list: GraphProto['input'], skip: ReadonlySet<string>): Map<string, Port> {
  const found = new Map<string, Port>()
  for (const { name, type } of list) {
    if (skip.has(name)) continue
    if (found.has(name)) contract(`"${name}" is declared twice`)
    const tensor = type?.value.case === 'tensorType' ? type.value.value : undefined
    if (!tensor) contract(`"${name}" is not a tensor`)
    const dims = (tensor.shape?.dim ?? []).map(({ value }) => (value.case === 'dimValue' ? Number(value.value) : -1))
    found.set(name, { type: tensor.elemType, dims })
  }
  return found
}

const shown = ({ type, dims }: Port): string =>
  `${(DataType[type] ?? `type ${type}`).toLowerCase()} [${dims.map((dim) => (dim < 0 ? 'N' : dim)).join(', ')}]`

function checkInputs(graph: GraphProto, metadata: ModelMetadata): void {
  const inputs = ports(graph.input, new Set(graph.initializer.map(({ name }) => name)))
  for (const { name, type } of metadata.inputs) {
    const port = inputs.get(name)
    const want: Port = { type: ELEMENT[INPUT_TYPE[type]], dims: [-1, 1] }
    if (!port) contract(`column "${name}" of its metadata is not an input of the graph`)
    if (port.type !== want.type || port.dims.length !== 2 || port.dims[0] !== -1 || port.dims[1] !== 1)
      contract(`input "${name}" is ${shown(port)}; a column of type ${type} is ${shown(want)}`)
    inputs.delete(name)
  }
  const [extra] = inputs.keys()
  if (extra !== undefined) contract(`input "${extra}" of the graph is not a column of its metadata`)
}

function checkOutputs(graph: GraphProto, { task }: ModelMetadata): void {
  const outputs = ports(graph.output, new Set())
  const expect = (name: string, types: readonly DataType[], dims: readonly number[]): void => {
    const port = outputs.get(name)
    const want = types.map((type) => shown({ type, dims })).join(' or ')
    if (!port) contract(`it has no output "${name}" (${want}); it has ${[...outputs.keys()].join(', ')}`)
    // a width that the file leaves open is checked on the first run, in warm-up
    const fits = port.dims.length === dims.length && port.dims.every((dim, i) => dim === dims[i] || (i > 0 && dim < 0))
    if (!types.includes(port.type) || !fits) contract(`output "${name}" is ${shown(port)}; it must be ${want}`)
  }
  if (task.kind === 'regression') return expect('prediction', [DataType.FLOAT, DataType.DOUBLE], [-1])
  expect('label', [DataType.STRING], [-1])
  expect('probability', [DataType.FLOAT], [-1, task.classes.length])
}
