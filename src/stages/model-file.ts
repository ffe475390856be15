/** The served file: raw columns in, label and probability (or prediction) out, everything between in one ONNX graph. */
import type { ModelMetadata } from '../core/documents.js'
import { canonicalJson } from '../core/json.js'
import { floats, GraphBuilder, int64s, texts, type Value } from '../core/onnx/graph.js'
import { emitHead, emitNetwork } from '../train/onnx/network.js'
import { emitInputs, emitPlan } from '../transforms/plan.js'
import type { NetworkDocument } from './train.js'
import type { PlanDocument } from './transform.js'

export interface ModelParts {
  readonly plan: PlanDocument
  readonly network: NetworkDocument
  readonly weights: Float32Array
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
  const output = emitOutput(graph, parts, features)
  if (metadata.task.kind === 'regression') graph.output('prediction', output, 'double', ['N'])
  else {
    graph.output('label', emitLabel(graph, output, metadata), 'string', ['N'])
    graph.output('probability', output, 'float', ['N', metadata.task.classes.length])
  }
  return graph.toModel({ millrace: canonicalJson(metadata) })
}

/** The network alone, over packed features: inputs `numeric` [N, F] float, `categories` [N, C] int64. */
export function buildNetworkFile(parts: ModelParts): Uint8Array {
  const graph = GraphBuilder.create('network')
  const { numeric, categories } = parts.network.network
  const output = emitOutput(graph, parts, {
    ...(numeric > 0 ? { numeric: graph.input('numeric', 'float', ['N', numeric]) } : {}),
    ...(categories.length > 0 ? { categories: graph.input('categories', 'int64', ['N', categories.length]) } : {}),
  })
  if (parts.plan.task.kind === 'regression') graph.output('prediction', output, 'double', ['N'])
  else graph.output('probability', output, 'float', ['N', parts.network.network.outputs])
  return graph.toModel()
}

/** Probabilities [N, classes] float, or predictions [N] double in the target's unit. */
function emitOutput(graph: GraphBuilder, { network, weights }: ModelParts, features: Features): Value {
  const { logits } = emitNetwork(graph, network.network, weights, features)
  const { mean, scale } = network.target ?? {}
  return emitHead(graph, network.network, logits, {
    ...(mean === undefined ? {} : { targetMean: mean }),
    ...(scale === undefined ? {} : { targetScale: scale }),
  })
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
