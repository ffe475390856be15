/** What no model file may hold: data outside the file, operators that are not ONNX's own, sizes made to exhaust memory. */
import { MillraceError } from '../core/errors.js'
import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
} from '../core/onnx/onnx_pb.js'

const DOMAINS = new Set(['', 'ai.onnx', 'ai.onnx.ml'])
const MAX_RANK = 16
const MAX_DEPTH = 8
const MAX_PORTS = 20_000
/** The most elements that a constant shape may ask for: a gigabyte of floats. */
const MAX_ELEMENTS = 2 ** 28

/** Bytes of one element in raw_data; strings have none. */
const ELEMENT_BYTES: Readonly<Partial<Record<DataType, number>>> = {
  [DataType.FLOAT]: 4,
  [DataType.UINT8]: 1,
  [DataType.INT8]: 1,
  [DataType.UINT16]: 2,
  [DataType.INT16]: 2,
  [DataType.INT32]: 4,
  [DataType.INT64]: 8,
  [DataType.BOOL]: 1,
  [DataType.FLOAT16]: 2,
  [DataType.DOUBLE]: 8,
  [DataType.UINT32]: 4,
  [DataType.UINT64]: 8,
}

/** Which input of an operator is a shape: a constant there decides how much memory a run takes. */
const SHAPE_INPUT: Readonly<Record<string, number>> = { ConstantOfShape: 0, Expand: 1, Tile: 1, OneHot: 1, Reshape: 1 }

/** Fields that our copy of onnx.proto leaves out and that could carry data or code past these checks. */
const HIDDEN = {
  model: new Map([
    [20, 'training_info'],
    [25, 'functions'],
  ]),
  graph: new Map([[15, 'sparse_initializer']]),
  attribute: new Map([
    [10, 'tensors'],
    [11, 'graphs'],
    [22, 'sparse_tensor'],
    [23, 'sparse_tensors'],
  ]),
}

function unsafe(what: string): never {
  throw new MillraceError('MR_MODEL_FILE_UNSAFE', `the model file is refused: ${what}`, {
    hint: 'use only model files that `millrace run` or `millrace export` wrote',
  })
}

/** Throws MR_MODEL_FILE_UNSAFE unless all of the model's data and operators are inside the file and ONNX's own. */
export function checkSafe(model: ModelProto, graph: GraphProto): void {
  hidden(model, HIDDEN.model)
  for (const { domain } of model.opsetImport) checkDomain(domain, 'its list of operator sets')
  if (graph.input.length > MAX_PORTS) unsafe(`it has ${graph.input.length} inputs; at most ${MAX_PORTS} are allowed`)
  checkGraph(graph, 0)
}

function hidden(message: { $unknown?: { no: number }[] | undefined }, names: ReadonlyMap<number, string>): void {
  for (const { no } of message.$unknown ?? []) {
    const name = names.get(no)
    if (name !== undefined) unsafe(`it uses ${name}, which Millrace's models never hold`)
  }
}

function checkDomain(domain: string, where: string): void {
  if (!DOMAINS.has(domain)) unsafe(`${where} names "${domain}": custom operators are not run; only ONNX's own are`)
}

function checkGraph(graph: GraphProto, depth: number): void {
  if (depth > MAX_DEPTH) unsafe(`its graphs are nested more than ${MAX_DEPTH} deep`)
  hidden(graph, HIDDEN.graph)
  const constants = new Map<string, TensorProto>()
  for (const tensor of graph.initializer) {
    checkTensor(tensor, `initializer "${tensor.name}"`)
    constants.set(tensor.name, tensor)
  }
  for (const node of graph.node) {
    const where = `node "${node.name || node.opType}"`
    checkDomain(node.domain, where)
    for (const attribute of node.attribute) checkAttribute(attribute, where, depth)
    if (node.opType === 'Constant') for (const { t } of node.attribute) if (t) constants.set(node.output[0] ?? '', t)
    checkShapeInput(node, constants, where)
  }
}

function checkAttribute(attribute: AttributeProto, where: string, depth: number): void {
  hidden(attribute, HIDDEN.attribute)
  if (attribute.t) checkTensor(attribute.t, where)
  if (attribute.g) checkGraph(attribute.g, depth + 1)
}

function checkTensor(tensor: TensorProto, where: string): void {
  if (tensor.dataLocation === DataLocation.EXTERNAL || tensor.externalData.length > 0) {
    const place = tensor.externalData.find(({ key }) => key === 'location')?.value
    unsafe(`${where} keeps its data in another file${place === undefined ? '' : ` ("${place}")`}`)
  }
  if (tensor.dims.length > MAX_RANK) unsafe(`${where} has ${tensor.dims.length} dimensions`)
  let elements = 1
  for (const dim of tensor.dims) {
    if (dim < 0n) unsafe(`${where} has a dimension of ${dim}`)
    elements *= Number(dim)
  }
  const bytes = ELEMENT_BYTES[tensor.dataType as DataType]
  const held =
    tensor.rawData.length > 0 && bytes !== undefined
      ? tensor.rawData.length / bytes
      : Math.max(
          tensor.floatData.length,
          tensor.int32Data.length,
          tensor.int64Data.length,
          tensor.doubleData.length,
          tensor.uint64Data.length,
          tensor.stringData.length,
        )
  if (held !== elements) unsafe(`${where} has the shape [${tensor.dims.join(', ')}] and data for ${held} elements`)
}

function checkShapeInput(node: NodeProto, constants: ReadonlyMap<string, TensorProto>, where: string): void {
  const index = SHAPE_INPUT[node.opType]
  const shape = index === undefined ? undefined : constants.get(node.input[index] ?? '')
  if (!shape || (shape.dataType as DataType) !== DataType.INT64) return
  const dims =
    shape.rawData.length > 0 ? new BigInt64Array(shape.rawData.slice().buffer) : BigInt64Array.from(shape.int64Data)
  let elements = 1
  for (const dim of dims) elements *= Math.max(1, Math.abs(Number(dim)))
  if (elements > MAX_ELEMENTS) unsafe(`${where} (${node.opType}) asks for the shape [${dims.join(', ')}]`)
}
