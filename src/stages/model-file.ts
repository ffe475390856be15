/** The served file: raw columns in, label and probability (or prediction) out, everything between in one ONNX graph. */
import type { ModelMetadata } from '../core/documents.js'
import { canonicalJson } from '../core/json.js'
import { doubles, floats, GraphBuilder, int64s, texts, type Value } from '../core/onnx/graph.js'
import { type Calibrator, type IsotonicCurve, isotonicTables } from '../evaluate/calibrators.js'
import { emitHead, emitNetwork } from '../train/onnx/network.js'
import { emitInputs, emitPlan } from '../transforms/plan.js'
import type { NetworkDocument } from './train.js'
import type { PlanDocument } from './transform.js'

export interface ModelParts {
  readonly plan: PlanDocument
  readonly network: NetworkDocument
  readonly weights: Float32Array
  readonly calibrator?: Calibrator | undefined
}

/** numeric [N, F] float, categories [N, C] int64. */
interface Features {
  readonly numeric?: Value
  readonly categories?: Value
}

/** The whole model under the contract of SPEC 7. Equal parts and metadata give equal bytes. */
export function buildModelFile(parts: ModelParts, metadata: ModelMetadata): Uint8Array {
  const graph = GraphBuilder.create(metadata.name)
  const inputs = emitInputs(graph, parts.plan.inputs)
  const features = emitPlan(graph, parts.plan.plan, inputs)
  const output = emitCalibrated(graph, parts, emitOutput(graph, parts, features))
  if (metadata.task.kind === 'regression') graph.output('prediction', output, 'double', ['N'])
  else {
    graph.output('label', emitLabel(graph, output, metadata), 'string', ['N'])
    graph.output('probability', output, 'float', ['N', metadata.task.classes.length])
  }
  return graph.toModel({ millrace: canonicalJson(metadata) })
}

/**
 * The network alone, over packed features: inputs `numeric` [N, F] float, `categories` [N, C] int64. A temperature is part
 * of it; an isotonic calibrator is not: `applyIsotonic` is the batch path's own way.
 */
export function buildNetworkFile(parts: ModelParts, answer?: 'logits'): Uint8Array {
  const graph = GraphBuilder.create('network')
  const { numeric, categories, outputs } = parts.network.network
  const features = {
    ...(numeric > 0 ? { numeric: graph.input('numeric', 'float', ['N', numeric]) } : {}),
    ...(categories.length > 0 ? { categories: graph.input('categories', 'int64', ['N', categories.length]) } : {}),
  }
  if (answer === 'logits') graph.output('logits', emitLogits(graph, parts, features), 'float', ['N', outputs])
  else if (parts.plan.task.kind === 'regression')
    graph.output('prediction', emitOutput(graph, parts, features), 'double', ['N'])
  else graph.output('probability', emitOutput(graph, parts, features), 'float', ['N', outputs])
  return graph.toModel()
}

function emitLogits(graph: GraphBuilder, { network, weights }: ModelParts, features: Features): Value {
  return emitNetwork(graph, network.network, weights, features).logits
}

/** Probabilities [N, classes] float, or predictions [N] double in the target's unit. */
function emitOutput(graph: GraphBuilder, parts: ModelParts, features: Features): Value {
  const { network, calibrator } = parts
  const logits = emitLogits(graph, parts, features)
  const { mean, scale } = network.target ?? {}
  const tempered =
    calibrator?.kind === 'temperature'
      ? graph.node('Div', [logits, graph.constant(floats([calibrator.temperature], []))])
      : logits
  return emitHead(graph, network.network, tempered, {
    ...(mean === undefined ? {} : { targetMean: mean }),
    ...(scale === undefined ? {} : { targetScale: scale }),
  })
}

/** What `applyIsotonic` computes, to the bit: in doubles, sums in the order of the classes. */
function emitCalibrated(graph: GraphBuilder, { calibrator }: ModelParts, probability: Value): Value {
  if (calibrator?.kind !== 'isotonic') return probability
  const { curves } = calibrator
  const only = curves.length === 2 ? curves.findIndex((curve) => curve !== undefined) : -1
  const curved = (c: number): Value => emitCurve(graph, probability, c, curves[c])
  if (only >= 0) {
    const positive = graph.node('Cast', [curved(only)], { to: 1n })
    const other = graph.node('Sub', [graph.constant(floats([1], [])), positive])
    return graph.node('Concat', only === 0 ? [positive, other] : [other, positive], { axis: 1n })
  }
  const parts = curves.map((_, c) => curved(c))
  const sum = graph.node('Sum', parts)
  return graph.node('Cast', [graph.node('Div', [graph.node('Concat', parts, { axis: 1n }), sum])], { to: 1n })
}

/** One class's probability through its curve, [N, 1] double; as it is without a curve. */
function emitCurve(graph: GraphBuilder, probability: Value, c: number, curve: IsotonicCurve | undefined): Value {
  const column = graph.node('Gather', [probability, graph.constant(int64s([c]))], { axis: 1n })
  const wide = graph.node('Cast', [column], { to: 11n })
  if (curve === undefined) return wide
  const { knots, start, base, slope } = isotonicTables(curve)
  const reached = graph.node('GreaterOrEqual', [column, graph.constant(floats(knots, [1, knots.length]))])
  const passed = graph.node('Cast', [reached], { to: 6n })
  const place = graph.node('ReduceSum', [passed, graph.constant(int64s([1]))], { keepdims: 1n })
  const at = (table: readonly number[]): Value => graph.node('Gather', [graph.constant(doubles(table)), place])
  const beyond = graph.node('Sub', [wide, at(start)])
  return graph.node('Add', [at(base), graph.node('Mul', [beyond, at(slope)])])
}

/** Two classes: the positive one where its probability reaches the threshold. More: the most probable, the first of equals. */
function emitLabel(graph: GraphBuilder, probability: Value, metadata: ModelMetadata): Value {
  if (metadata.task.kind === 'regression') throw new Error('a regression has no labels')
  const { classes, positive } = metadata.task
  if (classes.length === 2 && positive !== undefined && metadata.threshold !== undefined) {
    const k = classes.indexOf(positive)
    const column = graph.node('Gather', [probability, graph.constant(int64s([k], []))], { axis: 1n })
    const reached = graph.node('GreaterOrEqual', [column, graph.constant(floats([metadata.threshold], []))])
    const name = (text: string): Value => graph.constant(texts([text], []))
    return graph.node('Where', [reached, name(positive), name(classes[1 - k] ?? '')])
  }
  const index = graph.node('ArgMax', [probability], { axis: 1n, keepdims: 0n })
  return graph.ml('LabelEncoder', [index], {
    keys_int64s: classes.map((_, k) => BigInt(k)),
    values_strings: [...classes],
    default_string: classes[0] ?? '',
  })
}
