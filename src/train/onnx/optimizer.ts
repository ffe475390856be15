/**
 * AdamW as element-wise nodes on the flat parameter vector, and the numbers that change from step to step.
 * Kingma and Ba, "Adam" (2015); Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).
 */
import { floats, type GraphBuilder, type Value } from '../../core/onnx/graph.js'
import type { TrainParams } from '../trainer.js'

export const BETA1 = 0.9
export const BETA2 = 0.999
export const EPSILON = 1e-8

/**
 * The learning rate of step `step` (from 0) of `total`: rises linearly over the first `warmup` fraction of all steps,
 * then stays, or falls to 0 along half a cosine or a line.
 */
export function learningRate(
  { learningRate: base, schedule, warmup }: Pick<TrainParams, 'learningRate' | 'schedule' | 'warmup'>,
  step: number,
  total: number,
): number {
  const rising = Math.round(warmup * total)
  if (step < rising) return (base * (step + 1)) / rising
  const done = (step - rising) / Math.max(1, total - rising)
  if (schedule === 'cosine') return (base * (1 + Math.cos(Math.PI * done))) / 2
  return schedule === 'linear' ? base * (1 - done) : base
}

/**
 * Adam's bias correction folded into three numbers a step (t = step + 1):
 * rate = lr·√(1-β2^t)/(1-β1^t), epsilon = ε·√(1-β2^t), decay = lr·weight_decay.
 */
export function stepScalars(
  params: Pick<TrainParams, 'learningRate' | 'schedule' | 'warmup' | 'weightDecay'>,
  step: number,
  total: number,
): { readonly rate: number; readonly epsilon: number; readonly decay: number } {
  const lr = learningRate(params, step, total)
  const root = Math.sqrt(1 - BETA2 ** (step + 1))
  return { rate: (lr * root) / (1 - BETA1 ** (step + 1)), epsilon: EPSILON * root, decay: lr * params.weightDecay }
}

export interface AdamState {
  readonly parameters: Value
  readonly first: Value
  readonly second: Value
}

/**
 * One step. `scalars` are the values of `stepScalars`; `decays` is 1 where weight decay applies and 0 elsewhere,
 * undefined for none.
 */
export function emitAdamW(
  graph: GraphBuilder,
  { parameters, first, second }: AdamState,
  gradient: Value,
  scalars: { readonly rate: Value; readonly epsilon: Value; readonly decay: Value },
  decays: Value | undefined,
): AdamState {
  const scaled = (value: Value, factor: number): Value =>
    graph.node('Mul', [value, graph.constant(floats([factor], []))])
  const nextFirst = graph.node('Add', [scaled(first, BETA1), scaled(gradient, 1 - BETA1)])
  const square = graph.node('Mul', [gradient, gradient])
  const nextSecond = graph.node('Add', [scaled(second, BETA2), scaled(square, 1 - BETA2)])
  const denominator = graph.node('Add', [graph.node('Sqrt', [nextSecond]), scalars.epsilon])
  const change = graph.node('Div', [graph.node('Mul', [nextFirst, scalars.rate]), denominator])
  let kept = parameters
  if (decays !== undefined) {
    const lost = graph.node('Mul', [decays, scalars.decay])
    kept = graph.node('Sub', [parameters, graph.node('Mul', [parameters, lost])])
  }
  return { parameters: graph.node('Sub', [kept, change]), first: nextFirst, second: nextSecond }
}

/** Scales the gradient so that its Euclidean norm is at most `limit`: PyTorch's clip_grad_norm_. */
export function emitClip(graph: GraphBuilder, gradient: Value, limit: number): Value {
  const constant = (value: number): Value => graph.constant(floats([value], []))
  const squares = graph.node('ReduceSum', [graph.node('Mul', [gradient, gradient])], { keepdims: 0n })
  const norm = graph.node('Add', [graph.node('Sqrt', [squares]), constant(1e-6)])
  const factor = graph.node('Min', [graph.node('Div', [constant(limit), norm]), constant(1)])
  return graph.node('Mul', [gradient, factor])
}
