/** Builds ONNX graphs node by node; the one way that transforms, networks and training graphs write ONNX. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorProto_DataType as DataType,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './onnx_pb.js'
import type { ColumnType } from '../schema.js'

/** Opset of the default domain, of ai.onnx.ml, and the IR version that goes with them (ONNX 1.16). */
export const OPSET = 21
export const OPSET_ML = 4
export const IR_VERSION = 10

/** Name of a value inside a graph. */
export type Value = string
export type ElementType = 'float' | 'double' | 'int32' | 'int64' | 'string' | 'bool'
/** A fixed length, or the name of a free one. */
export type Dimension = number | string

export interface Constant {
  readonly type: ElementType
  readonly dims: readonly number[]
  readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | readonly string[]
}

export type Attribute =
  | number // a float attribute
  | bigint // an int attribute
  | string
  | readonly bigint[] // ints
  | readonly string[]
  | Float32Array // floats
  | Constant // a tensor
  | GraphBuilder // a sub-graph (Loop, If)

export const ELEMENT: Readonly<Record<ElementType, DataType>> = {
  float: DataType.FLOAT,
  double: DataType.DOUBLE,
  int32: DataType.INT32,
  int64: DataType.INT64,
  string: DataType.STRING,
  bool: DataType.BOOL,
}

/** The element type of a column as a model's input, [N, 1]: numbers double, text string, times int64 microseconds. */
export const INPUT_TYPE = {
  number: 'double',
  integer: 'double',
  boolean: 'double',
  text: 'string',
  timestamp: 'int64',
  date: 'int64',
} as const satisfies Readonly<Record<ColumnType, ElementType>>

const utf8 = new TextEncoder()

export function floats(data: ArrayLike<number>, dims: readonly number[] = [data.length]): Constant {
  return { type: 'float', dims, data: Float32Array.from(data) }
}
export function doubles(data: ArrayLike<number>, dims: readonly number[] = [data.length]): Constant {
  return { type: 'double', dims, data: Float64Array.from(data) }
}
export function int32s(data: ArrayLike<number>, dims: readonly number[] = [data.length]): Constant {
  return { type: 'int32', dims, data: Int32Array.from(data) }
}
export function int64s(data: readonly (number | bigint)[], dims: readonly number[] = [data.length]): Constant {
  return { type: 'int64', dims, data: BigInt64Array.from(data.map(BigInt)) }
}
export function texts(data: readonly string[], dims: readonly number[] = [data.length]): Constant {
  return { type: 'string', dims, data }
}

/**
 * A graph under construction. `node` returns the names of its outputs; names are made from the operator and a counter,
 * so the same calls always give the same bytes. A sub-graph sees the names of the graph around it, as ONNX scopes do;
 * make it with `subgraph()`, so that names stay unique.
 */
export class GraphBuilder {
  private readonly graph: GraphProto
  private readonly own = new Set<string>()

  private constructor(
    name: string,
    /** Shared with sub-graphs: the next number for a made-up name, and the names that inputs and constants took. */
    private readonly counter: { next: number; readonly taken: Set<string> },
  ) {
    this.graph = create(GraphProtoSchema, { name })
  }

  static create(name: string): GraphBuilder {
    return new GraphBuilder(name, { next: 0, taken: new Set() })
  }

  /** A graph for a Loop or If attribute of this one. */
  subgraph(name: string): GraphBuilder {
    return new GraphBuilder(name, this.counter)
  }

  /** Any name but '' will do, hostile ones too; declare inputs before the nodes, so that made-up names give way. */
  input(name: string, type: ElementType, dims: readonly Dimension[]): Value {
    this.take(name)
    this.graph.input.push(valueInfo(name, type, dims))
    return name
  }

  /** Declares `value` as an output, named `name` (an Identity node is added where the names differ). */
  output(name: string, value: Value, type: ElementType, dims: readonly Dimension[]): void {
    if (name !== value) {
      this.take(name)
      this.raw('Identity', [value], [name])
    }
    this.graph.output.push(valueInfo(name, type, dims))
  }

  constant(constant: Constant, name?: string): Value {
    if (name !== undefined) this.take(name)
    const own = name ?? this.fresh('const')
    this.graph.initializer.push(tensor(constant, own))
    return own
  }

  /** Adds a node of one output and returns it. An empty input name leaves an optional input out. */
  node(op: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}, domain = ''): Value {
    const output = this.fresh(op)
    this.raw(op, inputs, [output], attributes, domain)
    return output
  }

  /** Adds a node of `outputs` outputs. */
  nodes(
    op: string,
    inputs: readonly Value[],
    outputs: number,
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): readonly Value[] {
    const names = Array.from({ length: outputs }, () => this.fresh(op))
    this.raw(op, inputs, names, attributes, domain)
    return names
  }

  /** The ai.onnx.ml operators: LabelEncoder, OneHotEncoder … */
  ml(op: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    return this.node(op, inputs, attributes, 'ai.onnx.ml')
  }

  private fresh(op: string): Value {
    const { counter } = this
    let name: string
    do name = `${op}_${counter.next++}`
    while (counter.taken.has(name))
    counter.taken.add(name)
    this.own.add(name)
    return name
  }

  /** Every name in a graph is defined once; graphs side by side may use the same. */
  private take(name: string): void {
    if (name === '') throw new RangeError('an ONNX value needs a name')
    if (this.own.has(name)) throw new RangeError(`the graph has a value ${JSON.stringify(name)} already`)
    this.own.add(name)
    this.counter.taken.add(name)
  }

  private raw(
    op: string,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): void {
    this.graph.node.push(
      create(NodeProtoSchema, {
        opType: op,
        domain,
        name: `${op}/${outputs[0] ?? ''}`,
        input: [...inputs],
        output: [...outputs],
        attribute: Object.keys(attributes)
          .sort()
          .map((name) => attribute(name, attributes[name] as Attribute)),
      }),
    )
  }

  /** The graph itself, for a sub-graph attribute. */
  toGraph(): GraphProto {
    return this.graph
  }

  /** The file's bytes. Metadata is written in the order of its keys, so equal models have equal bytes. */
  toModel(metadata: Readonly<Record<string, string>> = {}): Uint8Array {
    return toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, {
        irVersion: BigInt(IR_VERSION),
        producerName: 'millrace',
        graph: this.graph,
        opsetImport: [
          { domain: '', version: BigInt(OPSET) },
          { domain: 'ai.onnx.ml', version: BigInt(OPSET_ML) },
        ],
        metadataProps: Object.keys(metadata)
          .sort()
          .map((key) => ({ key, value: metadata[key] as string })),
      }),
    )
  }
}

/** Reads a model file. Throws protobuf's own error where the bytes are not one. */
export function readModel(bytes: Uint8Array): ModelProto {
  // a Buffer's slice() shares its memory, a Uint8Array's copies: fields of the message must not depend on which it was
  return fromBinary(ModelProtoSchema, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}

/** The file's metadata_props as a map. */
export function modelMetadata(model: ModelProto): ReadonlyMap<string, string> {
  return new Map(model.metadataProps.map(({ key, value }) => [key, value]))
}

function valueInfo(name: string, type: ElementType, dims: readonly Dimension[]): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: ELEMENT[type],
          shape: {
            dim: dims.map((dim) => ({
              value:
                typeof dim === 'number'
                  ? { case: 'dimValue' as const, value: BigInt(dim) }
                  : { case: 'dimParam' as const, value: dim },
            })),
          },
        },
      },
    },
  })
}

function tensor(constant: Constant, name: string): TensorProto {
  const size = constant.dims.reduce((product, dim) => product * dim, 1)
  if (size !== constant.data.length)
    throw new RangeError(`constant ${name}: ${constant.data.length} values for shape [${constant.dims.join(', ')}]`)
  const proto = create(TensorProtoSchema, { name, dataType: ELEMENT[constant.type], dims: constant.dims.map(BigInt) })
  if (ArrayBuffer.isView(constant.data)) {
    // little-endian, as raw_data asks for; every platform that Node runs on here is
    const { buffer, byteOffset, byteLength } = constant.data
    proto.rawData = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice()
  } else proto.stringData = constant.data.map((text) => utf8.encode(text))
  return proto
}

function attribute(name: string, value: Attribute): AttributeProto {
  const proto = create(AttributeProtoSchema, { name })
  if (typeof value === 'number') return Object.assign(proto, { type: AttributeType.FLOAT, f: value })
  if (typeof value === 'bigint') return Object.assign(proto, { type: AttributeType.INT, i: value })
  if (typeof value === 'string') return Object.assign(proto, { type: AttributeType.STRING, s: utf8.encode(value) })
  if (value instanceof GraphBuilder) return Object.assign(proto, { type: AttributeType.GRAPH, g: value.toGraph() })
  if (value instanceof Float32Array) return Object.assign(proto, { type: AttributeType.FLOATS, floats: [...value] })
  if ('dims' in value) return Object.assign(proto, { type: AttributeType.TENSOR, t: tensor(value, '') })
  if (value.every((item) => typeof item === 'string'))
    return Object.assign(proto, { type: AttributeType.STRINGS, strings: value.map((text) => utf8.encode(text)) })
  return Object.assign(proto, { type: AttributeType.INTS, ints: [...value] })
}
