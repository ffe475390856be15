/** The end of a run for people: its page, its verdict, what to do next, and the exit code. */
import { chmod, copyFile, mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArtifactStore } from '../core/artifacts.js'
import type { LeakDocument, RegistrationDocument, TableDocument } from '../core/documents.js'
import { type ErrorCode, ERRORS, MillraceError } from '../core/errors.js'
import { writeFileAtomic } from '../core/files.js'
import { leakSummary } from '../evaluate/leaks.js'
import { renderRunPage } from '../dashboard/run-page.js'
import { renderValidationPage } from '../dashboard/validation-page.js'
import { openArtifactStore } from '../core/artifact-store.js'
import { runFolder } from '../pipeline/home.js'
import type { RunState } from '../pipeline/state.js'
import { getJson } from '../stages/run-resources.js'
import type { RunOutcome } from '../stages/run-pipeline.js'
import { duration } from '../dashboard/format.js'
import { openRegistry, registryFile } from '../registry/sqlite.js'
import { commandLine, shownPath } from './home.js'
import { type Output, printable } from './output.js'
import { gatherRunPage } from './page-data.js'

/** Where a run's page is. */
export const runPage = (home: string, run: string): string => join(runFolder(home, run), 'index.html')

/** Writes `runPage`, and `validation.html` and `validation.json` beside it once there is a report. */
export async function writeRunPages(
  home: string,
  store: ArtifactStore,
  state: RunState,
  notes: readonly string[],
): Promise<string> {
  const folder = runFolder(home, state.run)
  await mkdir(folder, { recursive: true })
  const gathered = await gatherRunPage(store, state, notes)
  const quarantine = await copyQuarantine(store, gathered.validation?.quarantine, folder)
  const data = { ...gathered, ...(quarantine === undefined ? {} : { quarantine }) }
  if (data.validation !== undefined) {
    await writeFileAtomic(
      join(folder, 'validation.html'),
      renderValidationPage(data.validation, {
        pipeline: data.run.pipeline,
        run: data.run,
        ...(data.source === undefined ? {} : { source: data.source }),
        ...(data.quarantine === undefined ? {} : { quarantine: data.quarantine }),
      }),
    )
    await writeFileAtomic(join(folder, 'validation.json'), `${JSON.stringify(data.validation, null, 2)}\n`)
  }
  const page = runPage(home, state.run)
  await writeFileAtomic(page, renderRunPage(data))
  return page
}

/** What the leak check found, also where it refused the run. */
async function leaksOfRun(store: ArtifactStore, state: RunState): Promise<LeakDocument | undefined> {
  const stage = state.stages.find(({ name }) => name === 'leaks')
  const report = stage?.value?.['report'] ?? stage?.attachments?.['report']
  return report === undefined ? undefined : getJson<LeakDocument>(store, report)
}

/** Puts the rows that were taken out beside the page, as Parquet that any tool opens; gives the first file's name. */
async function copyQuarantine(
  store: ArtifactStore,
  table: TableDocument | undefined,
  folder: string,
): Promise<string | undefined> {
  if (table === undefined) return undefined
  const names = table.files.map((_, i) => (i === 0 ? 'quarantine.parquet' : `quarantine-${i + 1}.parquet`))
  for (const [i, { ref }] of table.files.entries()) {
    const target = join(folder, names[i] ?? '')
    await copyFile(await store.path(ref), `${target}.writing`)
    await rename(`${target}.writing`, target)
    await chmod(target, 0o644)
  }
  return names[0]
}

/** Writes the page, says how the run ended, and gives the exit code: 3 if the gate refused the model. */
export async function finishRun(out: Output, home: string, outcome: RunOutcome): Promise<number> {
  const { state, registration } = outcome
  const store = await openArtifactStore(join(home, 'artifacts'), { readOnly: true })
  const failed = state.stages.find(({ error }) => error !== undefined)
  let page: string | undefined
  let leaks: LeakDocument | undefined
  try {
    leaks = await leaksOfRun(store, state)
    page = await writeRunPages(home, store, state, outcome.notes)
  } catch (error) {
    // what keeps the page from being written (a full disk) is often what the stage failed of: that is told first
    if (failed === undefined) throw error
    out.say(`its page was not written: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    await store.close()
  }
  const code = exitCode(state, registration?.gate?.passed)
  out.document({
    type: 'result',
    run: state.run,
    status: state.status,
    seconds: state.seconds,
    ...(page === undefined ? {} : { page }),
    exitCode: code,
    ...(leaks === undefined ? {} : { leaks }),
    ...(registration === undefined ? {} : { registration }),
    ...(failed?.error === undefined ? {} : { error: failed.error, stage: failed.name }),
  })
  if (leaks !== undefined) {
    const line = `leaks: ${printable(leakSummary(leaks))}`
    out.say()
    out.say(leaks.checks.every(({ passed }) => passed) ? line : out.style(leaks.passed ? 'yellow' : 'red', line))
  }
  const uri = registration === undefined ? undefined : await sayVerdict(out, home, state, registration)
  out.say()
  out.say(`${state.status} in ${duration(state.seconds)}${page === undefined ? '' : `; its page: ${shownPath(page)}`}`)
  if (uri !== undefined) {
    const next = [
      [commandLine(['open'], home), 'shows the page'],
      [commandLine(['predict', uri, 'DATA', '--out', 'FILE'], home), 'scores a file'],
      [commandLine(['serve', uri], home), 'answers requests'],
    ] as const
    const width = Math.max(...next.map(([command]) => command.length))
    for (const [command, about] of next) out.say(`  ${printable(command.padEnd(width))}  ${out.style('dim', about)}`)
  }
  if (failed?.error !== undefined) {
    const { code: errorCode, message, hint, at } = failed.error
    const known = errorCode in ERRORS ? (errorCode as ErrorCode) : 'MR_STAGE_FAILED'
    // `resume` goes on with the configuration of the run's start; what the file or its data got wrong is mended there, and
    // a new run reads it and does again only what changed
    const isOfFile = ERRORS[known][1] === 2 || known === 'MR_LEAK_FOUND'
    const next = isOfFile
      ? 'then run it again; nothing that was done is lost'
      : `then: ${commandLine(['resume', state.run], home)}`
    throw new MillraceError(known, `${failed.name}: ${message}`, {
      hint: `${hint ?? 'mend the cause'}; ${next}`,
      ...(at === undefined ? {} : { at }),
    })
  }
  if (state.status === 'cancelled')
    throw new MillraceError('MR_CANCELLED', `run ${state.run} was interrupted; nothing is lost`, {
      hint: commandLine(['resume', state.run], home),
    })
  return code
}

/**
 * The gate's reasons and what became of the version; where the register stage was cached, another may be champion now.
 * Gives the model's address.
 */
async function sayVerdict(
  out: Output,
  home: string,
  state: RunState,
  { name, version, gate }: RegistrationDocument,
): Promise<string> {
  out.say()
  // a register stage that ran has just said them
  if (state.stages.some((stage) => stage.name === 'register' && stage.status === 'cached'))
    for (const reason of gate?.reasons ?? []) out.say(`  ${printable(reason)}`)
  const shown = `version ${version} of ${printable(name)}`
  const numbered = `models:/${name}/${version}`
  const registry = await openRegistry(registryFile(home))
  const champion = await registry
    .versions(name)
    .then((versions) => versions.find(({ aliases }) => aliases.includes('champion'))?.version)
    .finally(() => registry.close())
  if (gate?.passed !== true) {
    const stays = champion === undefined ? '' : `; version ${champion} stays champion`
    const words =
      champion === version ? `, but ${shown} is the champion and stays it` : `: ${shown} is not promoted${stays}`
    out.say(out.style('red', `the gate says no${words}`))
    return numbered
  }
  if (champion === version) {
    out.say(out.style('green', `${shown} is the champion`))
    return `models:/${name}@champion`
  }
  out.say(out.style('yellow', `${shown} passed the gate before; the champion is ${champion ?? 'none'} now`))
  out.say(`  ${printable(commandLine(['models', 'alias', name, 'champion', String(version)], home))}`)
  return numbered
}

function exitCode(state: RunState, gatePassed: boolean | undefined): number {
  if (state.status === 'cancelled') return 130
  if (state.status !== 'success') {
    const code = state.stages.find(({ error }) => error !== undefined)?.error?.code ?? ''
    return code in ERRORS ? ERRORS[code as ErrorCode][1] : 1
  }
  return gatePassed === false ? 3 : 0
}
