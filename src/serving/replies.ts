/** Predictions to JSON text, written by hand: a general serializer is a quarter of a request's time here. */
import type { ModelMetadata } from '../core/documents.js'
import type { Predictions } from './predictor.js'
import { outputTensors } from './tensors.js'

/** JSON has no NaN or Infinity: a model that gives one answers null. */
function number(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null'
}

function numbers(values: ArrayLike<number>): string {
  let text = ''
  for (let i = 0; i < values.length; i++) text += (i > 0 ? ',' : '') + number(values[i] as number)
  return text
}

export class ReplyWriter {
  /** `"label"` of each class, ready for JSON. */
  private readonly quoted: ReadonlyMap<string, string>
  /** `,"probability_<class>":` of each class. */
  private readonly keys: readonly string[]
  private readonly oipHead: string

  constructor(
    private readonly metadata: ModelMetadata,
    name: string,
    version: string,
  ) {
    const classes = metadata.task.kind === 'classification' ? metadata.task.classes : []
    this.quoted = new Map(classes.map((label) => [label, JSON.stringify(label)]))
    this.keys = classes.map((label) => `,${JSON.stringify(`probability_${label}`)}:`)
    this.oipHead = `{"model_name":${JSON.stringify(name)},"model_version":${JSON.stringify(version)}`
  }

  /**
   * MLflow's shape: `{"predictions": [{"prediction": label, "probability_<class>": p, …}]}` in the order of the rows,
   * or for regression `{"predictions": [number, …]}`.
   */
  invocations({ rows, labels, probabilities, values }: Predictions): string {
    if (!labels || !probabilities) return `{"predictions":[${numbers(values ?? [])}]}`
    const width = this.keys.length
    let text = '{"predictions":['
    for (let r = 0; r < rows; r++) {
      text += `${r > 0 ? ',' : ''}{"prediction":${this.quote(labels[r] as string)}`
      for (let c = 0; c < width; c++) text += `${this.keys[c]}${number(probabilities[r * width + c] as number)}`
      text += '}'
    }
    return `${text}]}`
  }

  /** Open Inference Protocol: flat row-major tensors, the outputs asked for in the order asked for. */
  infer(predictions: Predictions, id: string | undefined, asked: readonly string[] | undefined): string {
    const { rows, labels, probabilities, values } = predictions
    const width = this.keys.length
    const tensors = new Map<string, string>()
    if (labels) tensors.set('label', `"shape":[${rows}],"data":[${labels.map((label) => this.quote(label)).join(',')}]`)
    if (probabilities) tensors.set('probability', `"shape":[${rows},${width}],"data":[${numbers(probabilities)}]`)
    if (values) tensors.set('prediction', `"shape":[${rows}],"data":[${numbers(values)}]`)
    const outputs = outputTensors(this.metadata)
    const chosen = asked ? asked.map((name) => outputs.find((output) => output.name === name)!) : outputs
    const text = chosen.map(({ name, datatype }) => `{"name":"${name}","datatype":"${datatype}",${tensors.get(name)}}`)
    return `${this.oipHead}${id === undefined ? '' : `,"id":${JSON.stringify(id)}`},"outputs":[${text.join(',')}]}`
  }

  private quote(label: string): string {
    return this.quoted.get(label) ?? JSON.stringify(label)
  }
}
