/** `millrace explain FILE [STAGE]`: what `run` would do again, and why. */
import { loadConfig } from '../../config/load.js'
import { MillraceError, nearest } from '../../core/errors.js'
import { formatReason } from '../../pipeline/explain.js'
import { explainPipeline } from '../../stages/run-pipeline.js'
import { homeFolder } from '../home.js'
import { printable } from '../output.js'
import { type Call, listOf, textOf } from '../verb.js'

export async function run({ args, options, home, out, signal }: Call): Promise<number> {
  const file = textOf(args[0]) ?? ''
  const stage = textOf(args[1])
  const loaded = loadConfig(file, { set: listOf(options['set']) })
  const all = await explainPipeline(loaded, { home: homeFolder(home, file), signal })
  const shown = stage === undefined ? all : all.filter(({ stage: name }) => name === stage)
  if (shown.length === 0) {
    const names = all.map(({ stage: name }) => name)
    const near = nearest(stage ?? '', names)
    throw new MillraceError(
      'MR_USAGE',
      `there is no stage '${stage}'${near === undefined ? '' : `; did you mean '${near}'?`}`,
      {
        hint: `stages: ${names.join(', ')}`,
      },
    )
  }
  out.document(shown)
  for (const { stage: name, action, from, reasons } of shown) {
    out.say(
      `${name.padEnd(11)} ${
        action === 'cached'
          ? out.style('dim', `cached from run ${from}`)
          : action === 'perhaps'
            ? 'perhaps'
            : out.style('bold', 'would run')
      }`,
    )
    for (const reason of reasons) out.say(`${' '.repeat(12)}${printable(formatReason(reason))}`)
  }
  return 0
}
