/** One ONNX graph that trains: a Loop whose every turn is a minibatch's forward, backward and optimizer step. */
import { floats, GraphBuilder, int64s, type Value } from '../../core/onnx/graph.js'
import type { NetworkSpec } from '../trainer.js'
import { crossEntropy, squaredError } from './gradients.js'
import { forward, parameterCount, parameterLayout, splitParameters } from './network.js'
import { emitAdamW, emitClip } from './optimizer.js'
import { Tape, type Tensor } from './tape.js'

export interface TrainingGraphOptions {
  readonly batch: number
  /** Length of the pool that dropout's masks are cut from; 0 is no dropout. */
  readonly pool: number
  readonly clipNorm: number
  readonly weightDecay: number
}

/**
 * K is the steps of a call. Inputs: `parameters`, `first`, `second` [P]; `steps` int64 scalar; `numeric` [K, B, F]; `categories` [K, B, C] int64
 * with offsets added; `labels` [K, B] int32, or float32 in the network's unit; `weights` [K, B], each step's summing
 * to 1; `rate`, `epsilon`, `decay` [K]; with dropout `pool` [pool] and `offsets` [K, hidden layers] int64.
 * Outputs: `parameters_out`, `first_out`, `second_out` [P]; `losses` [K].
 */
export function trainingGraph(spec: NetworkSpec, options: TrainingGraphOptions): Uint8Array {
  const { batch, pool, clipNorm, weightDecay } = options
  const graph = GraphBuilder.create('training')
  const size = parameterCount(spec)
  const state = ['parameters', 'first', 'second'].map((name) => graph.input(name, 'float', [size]))
  const steps = graph.input('steps', 'int64', [])
  const body = graph.subgraph('step')
  const turn = body.input('turn', 'int64', [])
  const going = body.input('going', 'bool', [])
  const [p, m, v] = ['p', 'm', 'v'].map((name) => body.input(name, 'float', [size])) as [Value, Value, Value]
  const at = (value: Value): Value => body.node('Gather', [value, turn])
  const column = (value: Value): Value => body.node('Reshape', [value, body.constant(int64s([batch, 1]))])

  const tape = new Tape(body)
  const parameters = splitParameters(tape, spec, p)
  const numeric = spec.numeric > 0 ? at(graph.input('numeric', 'float', ['K', batch, spec.numeric])) : undefined
  const columns = spec.categories.length
  const categories = columns > 0 ? at(graph.input('categories', 'int64', ['K', batch, columns])) : undefined
  const logits = forward(tape, spec, parameters, {
    ...(numeric === undefined ? {} : { numeric: tape.data(numeric, [batch, spec.numeric]) }),
    ...(categories === undefined ? {} : { categories: tape.data(categories, [batch, columns]) }),
    ...(pool > 0 && spec.hidden.length > 0 ? { dropout: dropout(tape, graph, batch, pool, spec, at) } : {}),
  })
  const weights = column(at(graph.input('weights', 'float', ['K', batch])))
  const loss =
    spec.task === 'classification'
      ? crossEntropy(tape, logits, column(at(graph.input('labels', 'int32', ['K', batch]))), weights)
      : squaredError(tape, logits, column(at(graph.input('labels', 'float', ['K', batch]))), weights)

  const parts = tape.gradients(loss, parameters)
  const flat = parts.map((part) => body.node('Reshape', [part, body.constant(int64s([-1]))]))
  let gradient = flat.length === 1 ? (flat[0] as Value) : body.node('Concat', flat, { axis: 0n })
  if (clipNorm > 0) gradient = emitClip(body, gradient, clipNorm)
  const scalars = {
    rate: at(graph.input('rate', 'float', ['K'])),
    epsilon: at(graph.input('epsilon', 'float', ['K'])),
    decay: at(graph.input('decay', 'float', ['K'])),
  }
  const next = emitAdamW(
    body,
    { parameters: p, first: m, second: v },
    gradient,
    scalars,
    weightDecay > 0 ? graph.constant(floats(decayMask(spec))) : undefined,
  )
  body.output('still_going', going, 'bool', [])
  body.output('p_next', next.parameters, 'float', [size])
  body.output('m_next', next.first, 'float', [size])
  body.output('v_next', next.second, 'float', [size])
  body.output('loss', loss.value, 'float', [])

  const [pOut, mOut, vOut, losses] = graph.nodes('Loop', [steps, '', ...state], 4, { body }) as [
    Value,
    Value,
    Value,
    Value,
  ]
  graph.output('parameters_out', pOut, 'float', [size])
  graph.output('first_out', mOut, 'float', [size])
  graph.output('second_out', vOut, 'float', [size])
  graph.output('losses', losses, 'float', ['K'])
  return graph.toModel()
}

/** A flat vector in, logits out: `parameters` [P], `numeric` [N, F], `categories` [N, C] int64 with offsets added. */
export function evaluationGraph(spec: NetworkSpec): Uint8Array {
  const graph = GraphBuilder.create('evaluation')
  const tape = new Tape(graph)
  const parameters = splitParameters(tape, spec, graph.input('parameters', 'float', [parameterCount(spec)]))
  const columns = spec.categories.length
  const logits = forward(tape, spec, parameters, {
    ...(spec.numeric > 0
      ? { numeric: tape.data(graph.input('numeric', 'float', ['N', spec.numeric]), ['N', spec.numeric]) }
      : {}),
    ...(columns > 0
      ? { categories: tape.data(graph.input('categories', 'int64', ['N', columns]), ['N', columns]) }
      : {}),
  })
  graph.output('logits', logits.value, 'float', ['N', spec.outputs])
  return graph.toModel()
}

/** 1 where weight decay applies. */
function decayMask(spec: NetworkSpec): Float32Array {
  const decays = new Float32Array(parameterCount(spec))
  for (const part of parameterLayout(spec)) if (part.decays) decays.fill(1, part.offset, part.offset + part.size)
  return decays
}

/** Each layer's mask is a run of the pool from this step's offset on. */
function dropout(
  tape: Tape,
  outer: GraphBuilder,
  batch: number,
  pool: number,
  spec: NetworkSpec,
  at: (value: Value) => Value,
): (layer: number, width: number) => Tensor {
  const { graph } = tape
  const values = outer.input('pool', 'float', [pool])
  const offsets = at(outer.input('offsets', 'int64', ['K', spec.hidden.length]))
  const one = (value: number): Value => graph.constant(int64s([value]))
  return (layer, width) => {
    const start = graph.node('Slice', [offsets, one(layer), one(layer + 1)])
    const end = graph.node('Add', [start, one(batch * width)])
    const run = graph.node('Slice', [values, start, end])
    return tape.data(graph.node('Reshape', [run, graph.constant(int64s([batch, width]))]), [batch, width])
  }
}
