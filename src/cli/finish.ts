/** The end of a run for people: its page, its verdict, what to do next, and the exit code. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { PipelineConfig } from '../config/config.js'
import { toYaml } from '../config/load.js'
import type { ArtifactStore } from '../core/artifacts.js'
import { type ErrorCode, ERRORS, MillraceError } from '../core/errors.js'
import { writeFileAtomic } from '../core/files.js'
import { renderRunPage } from '../dashboard/run-page.js'
import { renderValidationPage } from '../dashboard/validation-page.js'
import { openArtifactStore } from '../core/artifact-store.js'
import type { RunState } from '../pipeline/state.js'
import type { RunOutcome } from '../stages/run-pipeline.js'
import { duration, quantity } from './numbers.js'
import { type Output, printable } from './output.js'
import { gatherRunPage } from './page-data.js'

/** `<home>/runs/<run>/index.html`, and `validation.html` and `validation.json` beside it once there is a report. */
export async function writeRunPages(
  home: string,
  store: ArtifactStore,
  state: RunState,
  notes: readonly string[],
): Promise<string> {
  const folder = join(home, 'runs', state.run)
  await mkdir(folder, { recursive: true })
  const data = await gatherRunPage(store, state, notes, (config: PipelineConfig) => toYaml(config))
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
  const page = join(folder, 'index.html')
  await writeFileAtomic(page, renderRunPage(data))
  return page
}

/** Writes the page, says how the run ended, and gives the exit code: 3 if the gate refused the model. */
export async function finishRun(out: Output, home: string, outcome: RunOutcome): Promise<number> {
  const { state, registration } = outcome
  const store = await openArtifactStore(join(home, 'artifacts'))
  let page: string
  try {
    page = await writeRunPages(home, store, state, outcome.notes)
  } finally {
    await store.close()
  }
  const failed = state.stages.find(({ error }) => error !== undefined)
  const code = exitCode(state, registration?.gate?.passed)
  out.document({
    type: 'result',
    run: state.run,
    status: state.status,
    seconds: state.seconds,
    page,
    exitCode: code,
    ...(registration === undefined ? {} : { registration }),
    ...(failed?.error === undefined ? {} : { error: failed.error, stage: failed.name }),
  })
  if (registration !== undefined) {
    const { name, version, gate } = registration
    out.say()
    for (const reason of gate?.reasons ?? []) out.say(`  ${printable(reason)}`)
    const uri = gate?.passed === true ? `models:/${name}@champion` : `models:/${name}/${version}`
    out.say(
      gate?.passed === true
        ? out.style('green', `version ${version} of ${printable(name)} is the champion`)
        : out.style('red', `the gate says no: version ${version} of ${printable(name)} is registered, not promoted`),
    )
    out.say()
    out.say(`  ${`millrace serve ${uri}`.padEnd(46)} answers requests`)
    out.say(`  ${`millrace predict ${uri} DATA --out FILE`.padEnd(46)} scores a file`)
  }
  out.say(`  ${'page'.padEnd(8)} ${page}`)
  out.say(out.style('dim', `  ${state.status} in ${duration(state.seconds)}, ${quantity(state.stages.length)} stages`))
  if (failed?.error !== undefined) {
    const { code: errorCode, message, hint, at } = failed.error
    const known = errorCode in ERRORS ? (errorCode as ErrorCode) : 'MR_STAGE_FAILED'
    const resume = `mend the cause, then: millrace resume ${state.run}`
    throw new MillraceError(known, `${failed.name}: ${message}`, {
      hint: hint === undefined ? resume : `${hint}; then: millrace resume ${state.run}`,
      ...(at === undefined ? {} : { at }),
    })
  }
  if (state.status === 'cancelled')
    throw new MillraceError('MR_CANCELLED', `run ${state.run} was interrupted; nothing is lost`, {
      hint: `millrace resume ${state.run}`,
    })
  return code
}

function exitCode(state: RunState, gatePassed: boolean | undefined): number {
  if (state.status === 'cancelled') return 130
  if (state.status !== 'success') {
    const code = state.stages.find(({ error }) => error !== undefined)?.error?.code ?? ''
    return code in ERRORS ? ERRORS[code as ErrorCode][1] : 1
  }
  return gatePassed === false ? 3 : 0
}
