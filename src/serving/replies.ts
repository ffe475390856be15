/** Predictions to an answer. Its JSON is written by hand: a general serializer is a quarter of a request's time here. */
import type { ModelMetadata } from '../core/documents.js'
import type { Predictions } from './predictor.js'
import { type BinaryAnswer, binaryAnswer, writeElements } from './binary-tensors.js'
import { type AskedOutput, outputTensors } from './tensors.js'

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

  /**
   * Open Inference Protocol: flat row-major tensors, the outputs asked for in the order asked for; text, unless one of
   * them is to be binary.
   */
  infer(
    { rows, labels, probabilities, values }: Predictions,
    id: string | undefined,
    asked: readonly AskedOutput[] | undefined,
  ): string | BinaryAnswer {
    const raw: Buffer[] = []
    const known = outputTensors(this.metadata)
    const text = (asked ?? known.map(({ name }) => ({ name, binary: false }))).map(({ name, binary }) => {
      const { datatype } = known.find((output) => output.name === name)!
      const shape = name === 'probability' ? `${rows},${this.keys.length}` : String(rows)
      const content = name === 'label' ? labels : name === 'probability' ? probabilities : values
      let data: string
      if (binary) {
        const bytes = writeElements(datatype, content ?? [])
        data = `"parameters":{"binary_data_size":${bytes.length}}`
        raw.push(bytes)
      } else
        data = `"data":[${name === 'label' ? this.quoteAll(labels) : numbers((content ?? []) as ArrayLike<number>)}]`
      return `{"name":"${name}","datatype":"${datatype}","shape":[${shape}],${data}}`
    })
    const json = `${this.oipHead}${id === undefined ? '' : `,"id":${JSON.stringify(id)}`},"outputs":[${text.join(',')}]}`
    return raw.length === 0 ? json : binaryAnswer(json, raw)
  }

  private quoteAll(labels: readonly string[] = []): string {
    return labels.map((label) => this.quote(label)).join(',')
  }

  private quote(label: string): string {
    return this.quoted.get(label) ?? JSON.stringify(label)
  }
}
