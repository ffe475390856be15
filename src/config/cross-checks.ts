/** What the keys of a pipeline file must be to each other. */
import { REGRESSION_METRICS } from '../core/metrics.js'
import type { PipelineConfig } from './config.js'
import { ruleChecks } from './rule-checks.js'

export interface CrossFault {
  /** The keys it is about; it is not raised while one of them is faulty itself. The first that is set gives the place. */
  readonly paths: readonly string[]
  /** Path of the value, where a name in it may hold dots. */
  readonly exact?: readonly (string | number)[]
  readonly message: string
  readonly hint?: string
}

export function crossChecks(config: PipelineConfig): readonly CrossFault[] {
  return [
    ...splitChecks(config),
    ...columnChecks(config),
    ...windowChecks(config),
    ...ruleChecks(config),
    ...orderChecks(config),
    ...evaluationChecks(config),
  ]
}

function* splitChecks({ split, timestamp }: PipelineConfig): Iterable<CrossFault> {
  const sum = split.train + split.validation + split.test
  if (Math.abs(sum - 1) > 1e-9)
    yield {
      paths: ['split.train', 'split.validation', 'split.test'],
      message:
        `split.train ${split.train} + split.validation ${split.validation} + split.test ${split.test} ` +
        `is ${Number(sum.toPrecision(12))}, it must be 1`,
    }
  if (split.method === 'group' && split.group === undefined)
    yield {
      paths: ['split.method', 'split.group'],
      message: 'split.method is group, so split.group is required: the column whose rows stay together',
    }
  if (split.method !== 'group' && split.group !== undefined)
    yield {
      paths: ['split.group', 'split.method'],
      message: `split.group is ${JSON.stringify(split.group)}, but split.method is ${split.method}`,
      hint: 'write method: group, or remove the key',
    }
  if (split.method === 'time' && timestamp === undefined)
    yield {
      paths: ['split.method', 'timestamp'],
      message: 'split.method is time, so timestamp is required: the column that says when a row happened',
    }
}

function* columnChecks({ label, entity, timestamp, split, features, data }: PipelineConfig): Iterable<CrossFault> {
  const lists = [
    ['features.exclude', features.exclude],
    ['features.include', features.include ?? []],
    ['features.columns', Object.keys(features.columns)],
  ] as const
  for (const [path, names] of lists)
    if (label !== undefined && names.includes(label))
      yield {
        paths: [path, 'label'],
        exact: [...path.split('.'), path === 'features.columns' ? label : names.indexOf(label)],
        message: `${path} names ${JSON.stringify(label)}, but that is the label, which is never a feature`,
        hint: `remove it from ${path}`,
      }
  for (const [path, name] of [
    ['entity', entity],
    ['timestamp', timestamp],
    ['split.group', split.group],
  ] as const)
    if (label !== undefined && name === label)
      yield { paths: [path, 'label'], message: `${path} and label are both ${JSON.stringify(label)}` }
  const excluded = new Set(features.exclude)
  for (const name of [...(features.include ?? []), ...Object.keys(features.columns)])
    if (excluded.has(name) && name !== label)
      yield {
        paths: ['features.exclude', 'features.include', 'features.columns'],
        exact: ['features', 'exclude', features.exclude.indexOf(name)],
        message: `features.exclude names ${JSON.stringify(name)}, but features.${features.include?.includes(name) ? 'include' : 'columns'} does too`,
      }
  const included = features.include && new Set(features.include)
  for (const name of included ? Object.keys(features.columns) : [])
    if (!included?.has(name))
      yield {
        paths: ['features.columns', 'features.include'],
        exact: ['features', 'columns', name],
        message: `features.columns has steps for ${JSON.stringify(name)}, but features.include does not name it`,
      }
  for (const [path, names] of [
    ...lists.slice(0, 2),
    ['data.partition_by', data.partition_by],
    [
      'data.validation_rules.unique_columns',
      data.validation_rules.unique_columns.map((names) => [names].flat().join(', ')),
    ],
    ['data.validation_rules.required_columns', data.validation_rules.required_columns],
    ['data.validation_rules.non_null_columns', data.validation_rules.non_null_columns],
  ] as const) {
    const twice = names.findIndex((name, i) => names.indexOf(name) < i)
    if (twice >= 0)
      yield {
        paths: [path],
        exact: [...path.split('.'), twice],
        message: `${path} names ${JSON.stringify(names[twice])} twice`,
      }
  }
}

function* windowChecks({ features, timestamp, label, entity, split }: PipelineConfig): Iterable<CrossFault> {
  for (const [name, { of, compute, over, rows, delay }] of Object.entries(features.windows)) {
    const place = { paths: ['features.windows'], exact: ['features', 'windows', name] } as const
    const called = `features.windows.${name}`
    if (timestamp === undefined)
      yield {
        ...place,
        message: `${called} looks at earlier rows, so timestamp is required: the column that says when a row happened`,
      }
    if (name === label || name === entity || name === timestamp)
      yield {
        ...place,
        message: `${called} has the name of another column of the file`,
        hint: 'give the new column a name of its own',
      }
    if (of === undefined && compute !== 'count')
      yield {
        ...place,
        message: `${called} computes ${compute}, so it needs of: the column whose earlier values are meant`,
      }
    if ((over === undefined) === (rows === undefined))
      yield {
        ...place,
        message: `${called} needs ${over === undefined ? 'over (a time, such as 7d) or rows (a number)' : 'over or rows, not both'}`,
      }
    if (compute === 'lag' && rows === undefined && over !== undefined)
      yield { ...place, message: `${called} computes lag, so it takes rows (how many rows back), not over` }
    if (rows !== undefined && delay !== undefined)
      yield { ...place, message: `${called} has a delay, which only goes with over` }
    if (of !== undefined && of === label && (delay === undefined || split.method !== 'time'))
      yield {
        ...place,
        message: `${called} is made of the label; ${delay === undefined ? 'it needs a delay: how long after a row its label is known' : 'then split.method must be time, or rows to learn from would hold labels of rows to be judged on'}`,
      }
  }
}

function* orderChecks({ retry, gate, training }: PipelineConfig): Iterable<CrossFault> {
  if (retry.initial_delay > retry.max_delay)
    yield {
      paths: ['retry.initial_delay', 'retry.max_delay'],
      message: `retry.initial_delay ${retry.initial_delay} must not be above retry.max_delay ${retry.max_delay}`,
    }
  if (gate.minimum !== undefined && gate.metric === undefined)
    yield {
      paths: ['gate.minimum', 'gate.metric'],
      message: `gate.minimum is ${gate.minimum}, so gate.metric is required: the score that must reach it`,
    }
  if (gate.metric !== undefined && training.task !== 'auto')
    if (REGRESSION_METRICS.some((metric) => metric === gate.metric) !== (training.task === 'regression'))
      yield {
        paths: ['gate.metric', 'training.task'],
        message: `gate.metric is ${gate.metric}, which is no score of ${training.task}`,
      }
}

function* evaluationChecks({ evaluation, gate, training }: PipelineConfig): Iterable<CrossFault> {
  const { threshold, calibration } = evaluation
  const costs = typeof threshold === 'object' ? threshold.cost : undefined
  for (const [right, wrong] of [
    ['true_positive', 'false_negative'],
    ['true_negative', 'false_positive'],
  ] as const)
    if (costs !== undefined && costs[right] >= costs[wrong])
      yield {
        paths: [`evaluation.threshold.cost.${right}`, `evaluation.threshold.cost.${wrong}`],
        message:
          `evaluation.threshold.cost: ${right} ${costs[right]} must be less than ${wrong} ${costs[wrong]}; ` +
          'a right answer that costs no less than the wrong one leaves nothing to choose',
      }
  if (gate.metric === 'cost' && costs === undefined)
    yield {
      paths: ['gate.metric', 'evaluation.threshold'],
      message: 'gate.metric is cost, so evaluation.threshold.cost is required: what wrong answers cost',
      hint: 'threshold: {cost: {false_positive: 1, false_negative: 20}}',
    }
  if (training.task !== 'regression') return
  if (costs !== undefined)
    yield {
      paths: ['evaluation.threshold', 'training.task'],
      message: 'evaluation.threshold.cost needs a label of two classes; training.task is regression',
    }
  if (calibration !== 'none')
    yield {
      paths: ['evaluation.calibration', 'training.task'],
      message: `evaluation.calibration is ${calibration}, but a regression predicts no probabilities`,
    }
}
