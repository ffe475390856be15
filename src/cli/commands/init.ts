/** `millrace init`: looks at a person's data file and writes a commented pipeline file that runs as it is. */
import { stat, writeFile } from 'node:fs/promises'
import { basename, dirname, relative, resolve, sep } from 'node:path'
import { fromYaml } from '../../config/load.js'
import { objectStore } from '../../config/object-store.js'
import { MillraceError } from '../../core/errors.js'
import { fileError, makeFolder } from '../../core/files.js'
import type { Schema } from '../../core/schema.js'
import { openDuckDb } from '../../etl/duckdb/engine.js'
import { inferNamed } from '../../etl/named-header.js'
import { inWords } from '../../etl/source-words.js'
import { expandSource, fetchSource } from '../../etl/source.js'
import { commandLine, homeFolder } from '../home.js'
import { printable } from '../output.js'
import { lookAt, propose, type Look, type Proposal } from '../proposal.js'
import { proposalYaml } from '../proposal-yaml.js'
import { textOf, type Call } from '../verb.js'

/** Throws MR_FILE_EXISTS rather than overwrite, MR_SOURCE_* and MR_LABEL_* for data that cannot be used. */
export async function run({ args, options, home, out, signal }: Call): Promise<undefined> {
  const data = textOf(args[0]) ?? ''
  const file = textOf(options['out']) ?? 'pipeline.yaml'
  const path = resolve(file)
  await mustNotExist(path, file)
  const objects = { s3: objectStore({}, homeFolder(home, file)), signal }
  const source = await expandSource(data, objects)
  await fetchSource(source, objects)
  await mustHoldBytes(source.paths, data)
  const asks = out.isInteractive && process.stdin.isTTY && options['yes'] !== true

  await using engine = await openDuckDb()
  const wanted = textOf(options['label'])
  const inferred = await inWords(source, () =>
    inferNamed(source, wanted === undefined ? [] : [wanted], (from) => engine.inferSchema(from, signal)),
  )
  const label = wanted ?? (asks ? await askLabel(inferred.schema) : undefined)
  if (label === undefined)
    throw new MillraceError('MR_USAGE', '--label is required: the column to predict', {
      hint: `columns: ${inferred.schema.map(({ name }) => name).join(', ')}`,
    })
  const look = await lookAt(engine, inferred.source, inferred.schema, label, signal)
  const proposal = asks ? await askWhatIsOpen(look, propose(look)) : propose(look)
  const name = pipelineName(data)
  const facts = {
    pipelineName: name,
    sourcePath: fromFolder(dirname(path), data),
    outputPath: `output/${name.replaceAll(' ', '_')}`,
    hasHeader: inferred.byName,
  }
  const text = proposalYaml(look, proposal, facts)
  // what was just written must be right: a fault here is ours, not the person's
  fromYaml(text, file, { env: {} })
  await writeNew(path, file, text)

  out.document({
    file: path,
    pipeline_name: name,
    rows: look.rows,
    columns: look.columns,
    task: look.task,
    classes: look.classes,
    proposal,
  })
  const learns = look.task.kind === 'regression' ? 'a number' : `${look.classes.length} classes`
  out.say(printable(`wrote ${file}: ${look.rows} rows, ${look.columns.length} columns, predicts ${label} (${learns})`))
  for (const { name: column, reason } of proposal.exclude) out.say(printable(`  left out ${column}: ${reason}`))
  out.say(printable(`  split by ${proposal.split.value}: ${proposal.split.reason}`))
  if (proposal.classWeights) out.say(printable(`  class weights balanced: ${proposal.classWeights.reason}`))
  out.say(printable(`next: ${commandLine(['run', file], homeFolder(undefined))}`))
  return undefined
}

async function askLabel(schema: Schema): Promise<string> {
  const { isCancel, select } = await import('@clack/prompts')
  const choices = schema.map(({ name, type }) => ({ value: name, label: printable(name), hint: type })).reverse()
  const answer = await select({ message: 'Which column shall be predicted?', options: choices, maxItems: 12 })
  if (isCancel(answer)) throw new MillraceError('MR_CANCELLED', 'nothing was written')
  return answer
}

/** Only what the data cannot tell: which of two classes matters, and whether time orders the rows. */
async function askWhatIsOpen(look: Look, proposal: Proposal): Promise<Proposal> {
  const { isCancel, select } = await import('@clack/prompts')
  const ask = async (message: string, values: readonly string[]): Promise<string> => {
    const answer = await select({ message, options: values.map((value) => ({ value, label: printable(value) })) })
    if (isCancel(answer)) throw new MillraceError('MR_CANCELLED', 'nothing was written')
    return answer
  }
  let { positive, split } = proposal
  if (positive && positive.reason.startsWith('the rarer class')) {
    const rarerFirst = look.classes.map(({ value }) => value).reverse()
    positive = { value: await ask('Which class is the one of interest?', rarerFirst), reason: 'your choice' }
  }
  if (proposal.timestamp) {
    const byChance = look.task.kind === 'classification' ? 'stratified' : 'hash'
    const first = split.value
    const methods = [first, ...(['time', byChance] as const).filter((method) => method !== first)]
    const message = `Rows have a time (${printable(proposal.timestamp.value)}). How shall the test rows be chosen?`
    const answer = await ask(message, methods)
    const value = methods.find((method) => method === answer)
    if (value !== undefined && value !== first) split = { value, reason: 'your choice' }
  }
  return { ...proposal, positive, split }
}

/** The first of a name's characters that a pipeline name may hold: "Q3 sales (new).csv.gz" -> "Q3 sales new". */
export function pipelineName(data: string): string {
  const stem = basename(data.replace(/[\\/]+$/, ''))
    .normalize('NFC')
    .replace(/(?:\.(?:csv|data|tsv|json|jsonl|ndjson|parquet|gz|zst))+$/i, '')
  const name = stem
    .replace(/[^\p{L}\p{N}_. -]+/gu, '')
    .replace(/^[^\p{L}\p{N}]+/u, '')
    .trim()
    .slice(0, 100)
  return name === '' ? 'pipeline' : name
}

/** A path as the pipeline file names it: with slashes, relative to its folder; addresses as they are. */
function fromFolder(folder: string, data: string): string {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(data)) return data
  const path = relative(folder, resolve(data)).split(sep).join('/')
  return path === '' ? '.' : path
}

async function mustNotExist(path: string, shown: string): Promise<void> {
  if (await stat(path).catch(() => undefined))
    throw new MillraceError('MR_FILE_EXISTS', `${shown} exists and is not overwritten`, {
      hint: 'name another file with --out, or remove it first',
    })
}

async function mustHoldBytes(paths: readonly string[], data: string): Promise<void> {
  for (const path of paths) {
    const { size } = await stat(path).catch((error: unknown) => {
      throw fileError(error, 'read', path)
    })
    if (size > 0) return
  }
  throw new MillraceError('MR_SOURCE_EMPTY', `${data} is empty: 0 bytes`, { hint: 'name a file with rows in it' })
}

async function writeNew(path: string, shown: string, text: string): Promise<void> {
  try {
    await makeFolder(dirname(path))
    await writeFile(path, text, { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return mustNotExist(path, shown)
    throw fileError(error, 'write', path)
  }
}
