/** `millrace check`: every fault of a pipeline file at once; then what will run on this machine, and what cannot. */
import type { PipelineConfig } from '../../config/config.js'
import { hideFault } from '../../config/environment.js'
import { loadConfig, requireLabel, resolvePath, type LoadedConfig } from '../../config/load.js'
import { detectMachine, planForMachine, type Machine, type MachinePlan } from '../../config/machine.js'
import { formatSize } from '../../config/units.js'
import { objectStore } from '../../config/object-store.js'
import { MillraceError } from '../../core/errors.js'
import { expandSource } from '../../etl/source.js'
import { sparkAddress } from '../../stages/spark.js'
import { stepFaults } from '../../stages/step-faults.js'
import { suiteFaults } from '../../stages/suites.js'
import { homeFolder } from '../home.js'
import { errorDocument, errorLines, printable, type Output } from '../output.js'
import { listOf, type Call } from '../verb.js'

/** 0: the file is right, whether or not this machine can run it; throws MR_CONFIG_INVALID with all faults. */
export async function run({ args, options, home, out, signal }: Call): Promise<number> {
  const loaded = loadConfig(listOf(args[0]), { set: listOf(options['set']) })
  const faults = stepFaults(loaded).map((fault) => hideFault(fault, loaded.hide))
  const [only, more] = faults
  if (only && !more) throw only
  if (more)
    throw new MillraceError('MR_CONFIG_INVALID', `the file names ${faults.length} unknown steps`, { others: faults })
  const machine = await detectMachine()
  const wanted = planForMachine(loaded.config, machine, loaded.positionOf)
  const plan = { ...wanted, notes: wanted.notes.map(loaded.hide) }
  const problems: readonly MillraceError[] = [
    ...plan.problems,
    ...(await suiteFaults(loaded)),
    ...(await absent(loaded, homeFolder(home, loaded.files[0]), signal)),
  ].map((problem) => hideFault(problem, loaded.hide))
  out.document({
    valid: true,
    runnable: problems.length === 0,
    files: loaded.files,
    pipeline_name: loaded.config.pipeline_name,
    version: loaded.config.version,
    machine,
    effective: plan.effective,
    notes: plan.notes,
    problems: problems.map(errorDocument),
    config: loaded.recorded,
  })
  say(out, loaded, machine, plan, problems)
  return 0
}

function say(
  out: Output,
  { config, files, hide }: LoadedConfig,
  machine: Machine,
  plan: MachinePlan,
  problems: readonly MillraceError[],
): void {
  const { engine, threads, memoryLimit, trainer } = plan.effective
  out.say(`${out.style('green', 'ok')}  ${files.map(printable).join(' + ')}: no faults`)
  out.say()
  out.say(out.style('bold', printable(`${config.pipeline_name} ${config.version}`)))
  out.say(printable(hide(`  reads    ${config.data.source_path}, writes ${config.data.output_path}`)))
  out.say(printable(hide(`  learns   ${config.label ?? '(no label yet)'} by ${learner(config)}`)))
  out.say(printable(hide(`  splits   ${splitWords(config)}`)))
  out.say()
  const gpus = machine.gpus === 0 ? 'no GPU' : `${machine.gpus} GPU${machine.gpus > 1 ? 's' : ''}`
  const cores = `${machine.cpus} core${machine.cpus > 1 ? 's' : ''}`
  out.say(out.style('bold', `on this machine (${machine.platform}, ${cores}, ${formatSize(machine.memory)}, ${gpus})`))
  if (engine === 'spark')
    out.say(printable(hide(`  data     spark at ${config.data.spark.remote ?? '(no address yet)'}`)))
  const here = `duckdb, ${threads} thread${threads > 1 ? 's' : ''}, ${formatSize(memoryLimit)} before it spills`
  out.say(`  ${engine === 'spark' ? 'and here' : 'data    '} ${here}`)
  out.say(`  training ${trainer} trainer`)
  for (const note of plan.notes) out.say(`  ${out.style('yellow', '-')} ${printable(note)}`)
  if (problems.length === 0) return
  out.say()
  out.say(out.style('bold', 'it cannot run here yet:'))
  for (const problem of problems)
    for (const line of errorLines(problem, (style, text) => out.style(style, text))) out.say(`  ${line}`)
}

function learner({ training }: PipelineConfig): string {
  const size = training.model_type === 'neural_network' ? ` [${training.hidden_dims.join(', ')}]` : ''
  return `${training.model_type}${size}, at most ${training.max_epochs} epochs, ${training.batch_size} rows a step`
}

function splitWords({ split, timestamp, seed }: PipelineConfig): string {
  const by =
    split.method === 'time'
      ? `by ${timestamp ?? 'time'}`
      : split.method === 'group'
        ? `in groups of ${split.group ?? ''}`
        : `${split.method}, seed ${seed}`
  return `${split.train} to learn, ${split.validation} to stop, ${split.test} to score (${by})`
}

/** What the file leaves to be there: a label, and on this machine the data. */
async function absent(loaded: LoadedConfig, home: string, signal: AbortSignal): Promise<MillraceError[]> {
  const found: MillraceError[] = []
  try {
    requireLabel(loaded)
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    found.push(error)
  }
  try {
    sparkAddress(loaded.config, (path) => loaded.positionOf(path))
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    found.push(error)
  }
  const source = resolvePath(loaded, loaded.config.data.source_path)
  // another scheme is a problem that the plan holds already
  if (!/^(?!s3a?:)[a-z][a-z0-9+.-]+:\/\//i.test(source))
    try {
      await expandSource(source, { s3: objectStore(loaded.config.data.s3, home), signal })
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      const at = loaded.positionOf('data.source_path')
      const hint = error.hint === undefined ? {} : { hint: error.hint }
      found.push(new MillraceError(error.code, error.message, at === undefined ? hint : { at, ...hint }))
    }
  return found
}
