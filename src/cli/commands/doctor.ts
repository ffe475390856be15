/** `millrace doctor`: loads every engine for real and has it do one small thing; looks at the home and its disk. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, readFile, rm, rmdir, stat, statfs, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { detectMachine } from '../../config/machine.js'
import { formatSize } from '../../config/units.js'
import { MillraceError } from '../../core/errors.js'
import { makeFolder } from '../../core/files.js'
import { homeFolder } from '../home.js'
import { printable } from '../output.js'
import type { Call } from '../verb.js'

interface Check {
  readonly name: string
  /** false: nothing runs without it. */
  readonly optional: boolean
  readonly ok: boolean
  /** A version, a size, or why not. */
  readonly detail: string
}

/** Below this a run of any size soon fills the disk. */
const LITTLE_SPACE = 1e9

/** 0 if all that is needed works, else 1. */
export async function run({ home, out }: Call): Promise<number> {
  const folder = homeFolder(home)
  const machine = await detectMachine()
  const gpus = machine.gpus === 0 ? 'no GPU seen' : `${machine.gpus} GPU`
  const checks: readonly Check[] = [
    await check('node', nodeVersion),
    await check('machine', () => `${machine.platform}, ${machine.cpus} cores, ${formatSize(machine.memory)}, ${gpus}`),
    await check('duckdb', duckDb),
    await check('onnxruntime', onnxRuntime),
    await check('sqlite', sqlite),
    await check('home', () => writable(folder)),
    await check('disk', () => space(folder)),
    await check('chromium', chromium, true),
    await check('python', python, true),
  ]
  const failed = checks.filter(({ ok, optional }) => !ok && !optional)
  out.document({ ok: failed.length === 0, home: folder, machine, checks })
  for (const { name, ok, optional, detail } of checks) {
    const mark = ok ? out.style('green', 'ok  ') : optional ? out.style('dim', '-   ') : out.style('red', 'FAIL')
    out.say(`${mark} ${name.padEnd(12)} ${printable(detail)}`)
  }
  if (failed.length > 0) out.say(`\n${failed.map(({ name }) => name).join(', ')} must work before anything runs`)
  return failed.length === 0 ? 0 : 1
}

async function check(name: string, probe: () => string | Promise<string>, optional = false): Promise<Check> {
  try {
    return { name, optional, ok: true, detail: await probe() }
  } catch (error) {
    const detail = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
    return { name, optional, ok: false, detail }
  }
}

function nodeVersion(): string {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20) throw new Error(`${process.version}, 20 or later is needed`)
  return process.version
}

async function duckDb(): Promise<string> {
  const { DuckDBInstance, version } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const rows = (await connection.runAndReadAll(`SELECT count(*)::INTEGER FROM range(42)`)).getRows()
    if (rows[0]?.[0] !== 42) throw new Error(`a query gave ${String(rows[0]?.[0])} where 42 is right`)
    return `${version()}, answers a query`
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

async function onnxRuntime(): Promise<string> {
  const ort = await import('onnxruntime-node')
  const { GraphBuilder, floats } = await import('../../core/onnx/graph.js')
  const graph = GraphBuilder.create('doctor')
  const x = graph.input('x', 'float', [1])
  graph.output('y', graph.node('Add', [x, graph.constant(floats([2]))]), 'float', [1])
  const session = await ort.InferenceSession.create(graph.toModel())
  try {
    const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.of(40), [1]) })
    if (y?.data[0] !== 42) throw new Error(`a model gave ${String(y?.data[0])} where 42 is right`)
    return `${ort.env.versions.node ?? 'unknown version'}, runs a model`
  } finally {
    await session.release()
  }
}

async function sqlite(): Promise<string> {
  const { default: Database } = await import('libsql')
  const database = new Database(':memory:')
  try {
    const row = database.prepare('SELECT sqlite_version() AS version').get() as { readonly version: string }
    return `${row.version}, answers a query`
  } finally {
    database.close()
  }
}

/** Writes and reads back a file in the home; a home that was not there is not left behind. */
async function writable(folder: string): Promise<string> {
  const isNew = (await stat(folder).catch(() => undefined)) === undefined
  await makeFolder(folder)
  const probe = join(folder, `.doctor-${process.pid}`)
  const written = randomBytes(4096)
  try {
    await writeFile(probe, written, { flag: 'wx' })
    if (!written.equals(await readFile(probe))) throw new Error(`${folder} does not give back what is written there`)
  } finally {
    await rm(probe, { force: true })
    if (isNew) await rmdir(folder).catch(() => undefined)
  }
  return `${folder} can be written`
}

async function space(folder: string): Promise<string> {
  let at = folder
  while ((await stat(at).catch(() => undefined)) === undefined && at !== dirname(at)) at = dirname(at)
  const { bavail, bsize } = await statfs(at)
  const free = bavail * bsize
  if (free < LITTLE_SPACE)
    throw new MillraceError('MR_DISK_FULL', `only ${formatSize(free)} free, 1 GB is little enough`)
  return `${formatSize(free)} free`
}

async function chromium(): Promise<string> {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome', 'chrome'])
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      const path = join(folder, name)
      const found = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
      if (found) return path
    }
  throw new Error('none found; only tests of the run page use one')
}

function python(): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('python3', ['--version'], { timeout: 5000 }, (error, stdout) => {
      if (error) reject(new Error('no python3; this version does not use it'))
      else resolve(`${stdout.trim().replace(/^Python /, '')}; this version does not use it`)
    })
  })
}
