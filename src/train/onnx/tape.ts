/**
 * Reverse-mode differentiation of ONNX graphs: operations write their forward nodes and record how a gradient goes
 * back through them; `gradients` then writes the backward nodes. See Griewank and Walther, "Evaluating Derivatives",
 * chapter 3.
 */
import { type Constant, type Dimension, doubles, floats, type GraphBuilder, type Value } from '../../core/onnx/graph.js'

export interface Tensor {
  readonly value: Value
  readonly shape: readonly Dimension[]
  /** Whether a gradient is wanted with respect to it or to something that it was made from. */
  readonly differentiable: boolean
}

interface Entry {
  readonly output: Tensor
  readonly inputs: readonly Tensor[]
  /** From the gradient of the output, the gradient of input `index`, of that input's shape. */
  readonly backward: (gradient: Value, index: number) => Value
}

export class Tape {
  readonly #entries: Entry[] = []

  /** `type` of all numbers: float for use; double checks gradients against finite differences. */
  constructor(
    readonly graph: GraphBuilder,
    readonly type: 'float' | 'double' = 'float',
  ) {}

  parameter(value: Value, shape: readonly Dimension[]): Tensor {
    return { value, shape, differentiable: true }
  }

  data(value: Value, shape: readonly Dimension[]): Tensor {
    return { value, shape, differentiable: false }
  }

  /** A constant of the tape's type. */
  constant(data: ArrayLike<number>, dims?: readonly number[]): Value {
    return this.graph.constant(this.numbers(data, dims))
  }

  numbers(data: ArrayLike<number>, dims?: readonly number[]): Constant {
    return this.type === 'float' ? floats(data, dims) : doubles(data, dims)
  }

  scalar(value: number): Value {
    return this.constant([value], [])
  }

  /** Records that `value`, of `shape`, was computed from `inputs`. */
  record(
    value: Value,
    shape: readonly Dimension[],
    inputs: readonly Tensor[],
    backward: (gradient: Value, index: number) => Value,
  ): Tensor {
    const output = { value, shape, differentiable: inputs.some(({ differentiable }) => differentiable) }
    if (output.differentiable) this.#entries.push({ output, inputs, backward })
    return output
  }

  /**
   * Writes the nodes for the gradient of the scalar `loss` with respect to each of `parameters`, in their order and
   * shapes. A parameter that the loss does not depend on is an error.
   */
  gradients(loss: Tensor, parameters: readonly Tensor[]): readonly Value[] {
    const gradients = new Map<Tensor, Value>([[loss, this.scalar(1)]])
    for (const { output, inputs, backward } of [...this.#entries].reverse()) {
      const gradient = gradients.get(output)
      if (gradient === undefined) continue
      for (const [index, input] of inputs.entries()) {
        if (!input.differentiable) continue
        const part = backward(gradient, index)
        const sum = gradients.get(input)
        gradients.set(input, sum === undefined ? part : this.graph.node('Add', [sum, part]))
      }
    }
    return parameters.map((parameter) => {
      const gradient = gradients.get(parameter)
      if (gradient === undefined) throw new Error(`the loss does not depend on ${parameter.value}`)
      return gradient
    })
  }
}
