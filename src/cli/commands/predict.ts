/** `millrace predict`: scores a file with a model. */
import { availableParallelism } from 'node:os'
import { objectStore } from '../../config/object-store.js'
import { MillraceError } from '../../core/errors.js'
import { count, duration } from '../../dashboard/format.js'
import { progressLine } from '../../dashboard/terminal.js'
import { openPredictor } from '../../serving/onnx-predictor.js'
import { homeFolder } from '../home.js'
import { readModelSource } from '../model-source.js'
import { type Output, printable } from '../output.js'
import { scoreFile } from '../scoring.js'
import { type Call, textOf } from '../verb.js'

export async function run({ args, options, home, out, signal }: Call): Promise<number> {
  const [model, data] = args.map((arg) => textOf(arg)) as [string, string]
  const target = textOf(options['out'])
  const history = textOf(options['history'])
  if (target === undefined)
    throw new MillraceError('MR_USAGE', 'predict needs --out FILE', {
      hint: `millrace predict ${model} ${data} --out scored.csv`,
    })
  const { bytes, name, version } = await readModelSource(model, home)
  await using predictor = await openPredictor(bytes, { threads: availableParallelism() })
  const started = performance.now()
  const progress = rowCounter(out)
  const { rows, columns, computed } = await scoreFile({
    predictor,
    data,
    ...(history === undefined ? {} : { history }),
    s3: objectStore({}, homeFolder(home)),
    out: target,
    force: options['force'] === true,
    replace: options['replace'] === true,
    escapeFormulas: options['escapeFormulas'] === true,
    progress: progress.show,
    signal,
  }).finally(progress.clear)
  const seconds = (performance.now() - started) / 1000
  const { metadata, digest } = predictor
  const shown = `${name ?? metadata.name} version ${version ?? metadata.version}`
  out.say(`${printable(target)}: ${count(rows)} rows scored by ${printable(shown)} in ${duration(seconds)}`)
  if (computed.length > 0) {
    const from = history === undefined ? 'the rows themselves' : `the rows and those of ${history}`
    out.say(`  windows computed from ${printable(from)}: ${computed.map(printable).join(', ')}`)
  }
  out.document({
    out: target,
    rows,
    columns,
    ...(computed.length === 0 ? {} : { computed }),
    seconds,
    model: { name: name ?? metadata.name, version: String(version ?? metadata.version), digest },
  })
  return 0
}

/** A line that counts rows where a person watches, at most ten times a second. */
function rowCounter(out: Output): { show: (rows: number) => void; clear: () => void } {
  if (!out.isInteractive) return { show: () => undefined, clear: () => undefined }
  const started = performance.now()
  let last = 0
  return {
    show: (rows) => {
      const now = performance.now()
      if (now - last < 100) return
      last = now
      const rate = (rows * 1000) / (now - started)
      out.status(progressLine({ label: 'predict', unit: 'rows', done: rows, rate }, { width: out.width - 1 }))
    },
    clear: () => out.status(''),
  }
}
