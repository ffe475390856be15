import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import {
  type Constant,
  GraphBuilder,
  IR_VERSION,
  OPSET,
  OPSET_ML,
  doubles,
  floats,
  int32s,
  int64s,
  modelMetadata,
  readModel,
  texts,
} from './graph.js'

/** Runs a model in ONNX Runtime and gives its outputs as plain lists. */
async function run(
  graph: GraphBuilder,
  feeds: Readonly<Record<string, ort.Tensor>> = {},
): Promise<Record<string, unknown>> {
  const session = await ort.InferenceSession.create(graph.toModel(), { logSeverityLevel: 3 })
  try {
    const results = await session.run(feeds)
    return Object.fromEntries(
      Object.entries(results).map(([name, { data, dims }]) => [name, { data: [...(data as Iterable<unknown>)], dims }]),
    )
  } finally {
    await session.release()
  }
}

describe('GraphBuilder', () => {
  it.each<[string, Constant, readonly unknown[]]>([
    ['float', floats([0.1, -0, Infinity], [3]), [Math.fround(0.1), -0, Infinity]],
    ['double', doubles([0.1, NaN, 5e-324], [1, 3]), [0.1, NaN, 5e-324]],
    ['int32', int32s([2 ** 31 - 1, -(2 ** 31)]), [2 ** 31 - 1, -(2 ** 31)]],
    ['int64', int64s([-(2n ** 63n), 7, 2n ** 63n - 1n]), [-(2n ** 63n), 7n, 2n ** 63n - 1n]],
    ['string', texts(['', 'ä', '👩‍👩‍👧', '"\\\n']), ['', 'ä', '👩‍👩‍👧', '"\\\n']],
    ['bool', { type: 'bool', dims: [2], data: Uint8Array.from([1, 0]) }, [1, 0]],
  ])('writes %s constants that ONNX Runtime reads back', async (type, constant, expected) => {
    const graph = GraphBuilder.create('constants')
    graph.output('y', graph.node('Identity', [graph.constant(constant)]), constant.type, constant.dims)
    expect(await run(graph)).toEqual({ y: { data: expected, dims: [...constant.dims] } })
    expect(type).toBe(constant.type)
  })

  it('writes attributes of every kind', async () => {
    const graph = GraphBuilder.create('attributes')
    const x = graph.input('x', 'float', ['N', 2])
    const leaky = graph.node('LeakyRelu', [x], { alpha: 0.5 })
    graph.output('int', graph.node('Concat', [leaky, x], { axis: 1n }), 'float', ['N', 4])
    graph.output('ints', graph.node('Transpose', [x], { perm: [1n, 0n] }), 'float', [2, 'N'])
    graph.output('tensor', graph.node('Constant', [], { value: doubles([1.5]) }), 'double', [1])
    graph.output('floats', graph.node('Constant', [], { value_floats: Float32Array.from([0.5, 2]) }), 'float', [2])
    graph.output('strings', graph.node('Constant', [], { value_strings: ['a', 'b'] }), 'string', [2])
    graph.output('string', graph.node('Constant', [], { value_string: 'ä' }), 'string', [])
    const feeds = { x: new ort.Tensor('float32', Float32Array.from([-2, 4]), [1, 2]) }
    expect(await run(graph, feeds)).toEqual({
      int: { data: [-1, 4, -2, 4], dims: [1, 4] },
      ints: { data: [-2, 4], dims: [2, 1] },
      tensor: { data: [1.5], dims: [1] },
      floats: { data: [0.5, 2], dims: [2] },
      strings: { data: ['a', 'b'], dims: [2] },
      string: { data: ['ä'], dims: [] },
    })
  })

  it('nests graphs: a Loop that sees the names around it', async () => {
    const graph = GraphBuilder.create('loop')
    const x = graph.input('x', 'double', [1])
    const body = graph.subgraph('body')
    body.input('i', 'int64', [])
    const going = body.input('going', 'bool', [])
    const sum = body.input('sum', 'double', [1])
    body.output('still', body.node('Identity', [going]), 'bool', [])
    body.output('next', body.node('Add', [sum, x]), 'double', [1])
    const [result = ''] = graph.nodes('Loop', [graph.constant(int64s([5], [])), '', graph.constant(doubles([0]))], 1, {
      body,
    })
    graph.output('y', result, 'double', [1])
    const feeds = { x: new ort.Tensor('float64', Float64Array.from([1.25]), [1]) }
    expect(await run(graph, feeds)).toEqual({ y: { data: [6.25], dims: [1] } })
  })

  it('gives nodes of several outputs, ML operators, and leaves optional inputs out', async () => {
    const graph = GraphBuilder.create('several')
    const x = graph.input('x', 'string', ['N', 2])
    const options = { keys_tensor: texts(['a', 'b']), values_tensor: int64s([0, 1]), default_tensor: int64s([2]) }
    const encoded = graph.ml('LabelEncoder', [x], options)
    const [left = '', right = ''] = graph.nodes('Split', [encoded], 2, { axis: 1n, num_outputs: 2n })
    graph.output('left', left, 'int64', ['N', 1])
    graph.output('right', graph.node('Clip', [right, '', graph.constant(int64s([1], []))]), 'int64', ['N', 1])
    expect(await run(graph, { x: new ort.Tensor('string', ['b', 'zz'], [1, 2]) })).toEqual({
      left: { data: [1n], dims: [1, 1] },
      right: { data: [1n], dims: [1, 1] },
    })
  })

  it('takes any name for an input and gives way to it', async () => {
    for (const name of ['Add_0', 'Add_1', '__proto__', 'constructor', 'a b', '"', '🙂']) {
      const graph = GraphBuilder.create('names')
      const x = graph.input(name, 'double', ['N'])
      graph.output('y', graph.node('Add', [graph.node('Add', [x, x]), x]), 'double', ['N'])
      const feeds = Object.create(null) as Record<string, ort.Tensor>
      feeds[name] = new ort.Tensor('float64', Float64Array.from([2]), [1])
      expect(await run(graph, feeds), name).toEqual({ y: { data: [6], dims: [1] } })
    }
  })

  it('refuses two values of one name, an empty name, and a constant that does not fill its shape', () => {
    const graph = GraphBuilder.create('names')
    graph.input('x', 'double', ['N'])
    expect(() => graph.input('x', 'double', ['N'])).toThrow('the graph has a value "x" already')
    expect(() => graph.output('x', graph.node('Neg', ['x']), 'double', ['N'])).toThrow('has a value "x" already')
    expect(() => graph.constant(doubles([1]), 'x')).toThrow('has a value "x" already')
    expect(() => graph.input('', 'double', ['N'])).toThrow('needs a name')
    expect(() => graph.constant(doubles([1, 2], [3]))).toThrow(/2 values for shape \[3\]/)
  })

  it('writes the same bytes each time, metadata in the order of its keys', () => {
    const bytes = (metadata: Readonly<Record<string, string>>): Uint8Array => {
      const graph = GraphBuilder.create('bytes')
      graph.output('y', graph.node('Neg', [graph.input('x', 'double', ['N'])]), 'double', ['N'])
      return graph.toModel(metadata)
    }
    expect(bytes({ b: '2', a: '1' })).toEqual(bytes({ a: '1', b: '2' }))
    const model = readModel(bytes({ b: '2', a: 'ä' }))
    expect([...modelMetadata(model)]).toEqual([
      ['a', 'ä'],
      ['b', '2'],
    ])
    expect(model.irVersion).toBe(BigInt(IR_VERSION))
    expect(model.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([
      ['', BigInt(OPSET)],
      ['ai.onnx.ml', BigInt(OPSET_ML)],
    ])
  })

  it('cannot read what is no model', () => {
    expect(() => readModel(Uint8Array.from([255, 255, 255]))).toThrow()
  })
})

describe('readModel', () => {
  it('gives fields of their own memory, also from a Buffer', () => {
    const graph = GraphBuilder.create('g')
    const x = graph.input('x', 'float', ['N', 1])
    graph.output('y', graph.node('Reshape', [x, graph.constant(int64s([-1]), 'shape')]), 'float', ['N'])
    const shape = readModel(Buffer.from(graph.toModel())).graph?.initializer[0]?.rawData
    expect([...new BigInt64Array(shape?.slice().buffer as ArrayBuffer)]).toEqual([-1n])
  })
})
