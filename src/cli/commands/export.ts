/** `millrace export`: copies a model's one file out of the registry. */
import { stat } from 'node:fs/promises'
import { MillraceError } from '../../core/errors.js'
import { writeFileAtomic } from '../../core/files.js'
import { count } from '../../dashboard/format.js'
import { readModelFile } from '../../serving/model-file.js'
import { readModelSource } from '../model-source.js'
import { printable } from '../output.js'
import { type Call, textOf } from '../verb.js'

export async function run({ args, options, home, out }: Call): Promise<number> {
  const model = textOf(args[0]) as string
  const target = textOf(options['out'])
  if (target === undefined)
    throw new MillraceError('MR_USAGE', 'export needs --out FILE', {
      hint: `millrace export ${model} --out model.onnx`,
    })
  if (options['force'] !== true && (await stat(target).catch(() => undefined)))
    throw new MillraceError('MR_FILE_EXISTS', `${target} exists`, { hint: 'give --force to replace it' })
  const { bytes, name, version } = await readModelSource(model, home)
  const { metadata, digest } = readModelFile(bytes)
  await writeFileAtomic(target, bytes)
  const shown = `${name ?? metadata.name} version ${version ?? metadata.version}`
  out.say(`${printable(target)}: ${printable(shown)}, ${count(bytes.length)} bytes, ${digest}`)
  out.document({
    out: target,
    name: name ?? metadata.name,
    version: String(version ?? metadata.version),
    bytes: bytes.length,
    digest,
  })
  return 0
}
