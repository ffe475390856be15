/** A proposal as the text of a pipeline file, with the reason of every decision beside it. */
import type { Look, Proposal } from './proposal.js'

export interface FileFacts {
  readonly pipelineName: string
  /** As it stands in the file: relative to the file's folder. */
  readonly sourcePath: string
  readonly outputPath: string
  /** The first line names the columns, though by itself it would be taken for data. */
  readonly hasHeader?: boolean
}

/** The whole file; `fromYaml` of it gives what the proposal says. */
export function proposalYaml(look: Look, proposal: Proposal, facts: FileFacts): string {
  return [
    ...head(look, proposal, facts),
    ...featureLines(proposal),
    ...splitLines(proposal),
    ...dataLines(look, proposal, facts),
    ...trainingLines(look, proposal),
    ...scoreLines(look),
  ].join('\n')
}

function head({ rows, columns, label, task, classes }: Look, proposal: Proposal, facts: FileFacts): string[] {
  const { positive, entity, timestamp } = proposal
  const known = rows - label.missing
  const shown = classes
    .slice(0, 5)
    .map(({ value, count }) => `${commentText(value)} ${percent(count / known)}`)
    .join(', ')
  const kinds =
    task.kind === 'regression'
      ? `a number with ${label.distinct} different values`
      : `${classes.length} classes: ${shown}${classes.length > 5 ? ', …' : ''}`
  return [
    `# Made by "millrace init" from ${rows} rows and ${columns.length} columns. Change what you like, then:`,
    '#   millrace check FILE    every fault of this file, and what will run on this machine',
    '#   millrace run FILE      read, validate, transform, train, evaluate, register',
    `pipeline_name: ${scalar(facts.pipelineName)}`,
    'version: "1.0.0"',
    'seed: 42',
    '',
    `label: ${scalar(label.name)}  # the column to predict; ${kinds}`,
    ...(positive ? [`positive: ${scalar(positive.value)}  # ${commentText(positive.reason)}`] : []),
    ...(entity ? [`entity: ${scalar(entity.value)}  # identifies a row: ${entity.reason}`] : []),
    ...(timestamp ? [`timestamp: ${scalar(timestamp.value)}  # when a row happened: ${timestamp.reason}`] : []),
    '',
  ]
}

function featureLines({ exclude, clips, timestamp }: Proposal): string[] {
  return [
    'features:',
    '  # Numbers: missing values become the median, then standard scaling. Text: one-hot, rare values share one index.',
    ...(exclude.length === 0 ? ['  exclude: []'] : ['  exclude:']),
    ...exclude.map(({ name, reason }) => `    - ${scalar(name)}  # ${reason}`),
    ...(clips.length === 0
      ? ['  # columns:', '  #   income: [{impute: median}, log, standard]']
      : ['  columns:  # a few values lie far outside of the rest, which scaling by them would press together']),
    ...clips.map(({ name, low, high }) => {
      const bounds = [low, high].map((bound) => (bound === null ? 'null' : number(bound))).join(', ')
      return `    ${mapKey(name)}: [{impute: median}, {clip: [${bounds}]}, standard]`
    }),
    ...(timestamp === undefined
      ? []
      : [
          '  # windows:  # made of the earlier rows of the same customer, card or machine',
          '  #   visits_7d: {by: customer, compute: count, over: 7d}',
        ]),
    '',
  ]
}

function splitLines({ split, timestamp }: Proposal): string[] {
  const other =
    split.value === 'time'
      ? ['  # Rows that do not depend on each other over time may use "method: stratified" or "hash" instead.']
      : timestamp
        ? [
            `  # If new rows come later than all of these, "method: time" scores honestly: it goes by ${commentText(timestamp.value)}.`,
          ]
        : []
  return [
    'split:',
    `  method: ${split.value}  # ${split.reason}`,
    ...other,
    '  train: 0.7',
    '  validation: 0.15',
    '  test: 0.15',
    '',
  ]
}

function dataLines({ columns, label }: Look, proposal: Proposal, facts: FileFacts): string[] {
  const { exclude, entity, labelRange, rangesLeftOut, minRecords } = proposal
  const far = '  # a few rows are far outside and would outweigh all others; take this line out to keep them'
  const ranges = [
    ...(labelRange === undefined ? [] : [{ name: label.name, ...labelRange, why: far }]),
    ...proposal.ranges.map((range) => ({ ...range, why: '' })),
  ]
  const out = new Set(exclude.map(({ name }) => name))
  const required = columns.filter(({ name }) => !out.has(name) || name === entity?.value)
  return [
    'data:',
    `  source_path: ${scalar(facts.sourcePath)}${/^[a-z0-9]+:\/\//i.test(facts.sourcePath) ? '' : '  # beside this file'}`,
    `  output_path: ${scalar(facts.outputPath)}`,
    ...(facts.hasHeader === true
      ? ['  csv: {header: true}  # the first line holds the label, so it names the columns']
      : []),
    '  validation_rules:',
    '    required_columns:  # missing: the run stops',
    ...required.map(({ name }) => `      - ${scalar(name)}`),
    `    non_null_columns: [${scalar(label.name)}]${label.missing > 0 ? `  # missing in ${label.missing} rows` : ''}`,
    '    on_null: drop  # rows without a label teach nothing',
    ...(entity ? [`    unique_columns: [${scalar(entity.value)}]`] : []),
    ...(ranges.length === 0
      ? []
      : ['    value_ranges:  # drawn wide around this data; rows outside are put aside, with the reason']),
    ...ranges.map(({ name, low, high, why }) => `      ${mapKey(name)}: [${number(low)}, ${number(high)}]${why}`),
    ...(rangesLeftOut > 0 ? [`      # and ${rangesLeftOut} more columns of numbers, without a range`] : []),
    `    min_records: ${minRecords}  # half of what was here`,
    '',
  ]
}

function trainingLines({ rows }: Look, proposal: Proposal): string[] {
  const { classWeights, batchSize, maxEpochs, patience, learningRate } = proposal
  return [
    'training:',
    '  model_type: neural_network  # or logistic_regression',
    '  hidden_dims: [64, 32]',
    '  dropout: 0.1',
    `  batch_size: ${batchSize}  # for ${rows} rows`,
    `  max_epochs: ${maxEpochs}`,
    `  early_stopping_patience: ${patience}`,
    `  learning_rate: ${learningRate}`,
    ...(classWeights ? [`  class_weights: ${classWeights.value}  # ${commentText(classWeights.reason)}`] : []),
    '',
  ]
}

function scoreLines({ task }: Look): string[] {
  const metric = task.kind === 'regression' ? 'rmse' : task.classes.length === 2 ? 'roc_auc' : 'accuracy'
  const gate = [
    'gate:',
    `  metric: ${metric}  # a version that is worse than the champion on it is not promoted`,
    ...(task.kind === 'regression' ? [] : ['  # minimum: 0.8']),
    '',
  ]
  return task.kind === 'classification' && task.classes.length === 2
    ? [
        'evaluation:',
        '  threshold: f1  # chosen on validation rows: f1, accuracy, balanced_accuracy, or a number',
        '',
        ...gate,
      ]
    : gate
}

/** A text as a YAML scalar, plain where it cannot be taken for anything else. */
export function scalar(text: string): string {
  return mapKey(text).replaceAll('${', () => '$${')
}

/** The same as a key of a map, in which `${` stands for itself. */
function mapKey(text: string): string {
  const isPlain = /^[A-Za-z_][A-Za-z0-9_]*(?:[./-][A-Za-z0-9_]+)*$/.test(text)
  if (isPlain && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text)) return text
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Text from the data in a comment: one line, whatever it holds. */
function commentText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').slice(0, 80)
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.01 ? 2 : 1)} %`
}

/** YAML 1.2 reads 1e+21 as a number, and so does every reader 1.0e+21. */
function number(value: number): string {
  return String(value).replace(/^(-?\d+)e/, '$1.0e')
}
