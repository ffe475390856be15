/** The registered model and the lines to copy: predict, serve, ask. */
import { bytes } from '../format.js'
import { markup } from '../../core/html.js'
import { command, name, type Section } from '../page.js'
import type { RunPageData } from '../run-page-data.js'

export function modelSection(data: RunPageData): Section | undefined {
  const { registration } = data
  if (!registration) return undefined
  const alias = registration.aliases.includes('champion') ? 'champion' : undefined
  const uri = `models:/${registration.name}${alias === undefined ? `/${registration.version}` : `@${alias}`}`
  const isWindowed = data.windows?.some((window) => window.name in (data.sampleRow ?? {})) === true
  const row = data.sampleRow && JSON.stringify({ dataframe_records: [data.sampleRow] })
  return {
    id: 'model',
    title: 'Use the model',
    lead: markup`${name(registration.name, 60)}, version
    ${registration.version}${registration.aliases.length > 0 && markup` (${registration.aliases.map((a, i) => markup`${i > 0 && ', '}${name(a, 40)}`)})`},
    ${bytes(registration.model.size)}. One file that takes raw rows; preprocessing is inside.${isWindowed && WINDOWED}`,
    body: markup`${command('Score a file', `millrace predict ${quote(uri)} ${data.source === undefined ? 'rows.csv' : quote(data.source)} --out predictions.csv`)}
    ${command('Serve it', `millrace serve ${quote(uri)} --port 8080`)}
    ${row !== undefined && command('Ask it', `curl -s http://127.0.0.1:8080/invocations -H 'content-type: application/json' -d ${quote(row)}`)}
    ${command('Take the file', `millrace export ${quote(uri)} --out model.onnx`)}`,
  }
}

const WINDOWED = markup` Its windows are inputs too: <code>predict</code> computes them from the file, and from earlier
    rows given by <code>--history</code>; who asks the server sends their values.`

/** As one word of a POSIX shell. */
export function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) && !text.startsWith('-') ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
