/**
 * A flipped bit and a cut in each file of a finished home and of the published table: a run, and a prediction after it,
 * end with the model and the table of an undamaged home, or with an error of ours; never with other results.
 */
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { counted } from './counts.js'
import { drawn, manifestOf, millrace, modelOf, prepared, type Project, project, side } from './small-pipeline.js'

let template: Project
let expected: { readonly model: string; readonly predicted: Buffer }

beforeAll(async () => {
  const { work, model } = prepared()
  template = await project(work)
  expected = { model, predicted: (await predict(template)) ?? Buffer.alloc(0) }
  expect(expected.predicted.length).toBeGreaterThan(100)
})
afterAll(async () => template?.[Symbol.asyncDispose]())

/** The bytes of the predictions for the source's rows; undefined where the command says an error of ours. */
async function predict(work: Project): Promise<Buffer | undefined> {
  const out = join(work.path, 'predicted.csv')
  const model = 'models:/people@champion'
  const ended = await millrace(['predict', model, join(work.path, 'people.csv'), '--out', out, '--home', work.home])
  if (ended.code !== 0) {
    expect(ended.stderr).toMatch(/^error MR_(?!INTERNAL)/m)
    return undefined
  }
  const bytes = await readFile(out)
  await rm(out)
  return bytes
}

const CHANGES: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  'first byte': (bytes) => flipped(bytes, 0),
  'byte in the middle': (bytes) => flipped(bytes, bytes.length >> 1),
  'last byte': (bytes) => flipped(bytes, bytes.length - 1),
  'end cut off': (bytes) => bytes.subarray(0, bytes.length >> 1),
}
function flipped(bytes: Buffer, at: number): Buffer {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at)
  return bytes
}

/** The folders and the files of home and output that hold one kind of thing. */
const kindOf = (file: string): string => file.split('/').slice(0, 2).join('/')
/** Damages where not all are asked for: of the artifacts, of each other kind. */
const [OF_ARTIFACTS, OF_OTHERS] = [3, 1]

test('flipped and cut files are found', async () => {
  const entries = await readdir(template.path, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(template.path.length + 1))
    // pages are for people and are written anew; the source and the file are the user's own
    .filter((path) => /^(\.millrace|output)\//.test(path) && !path.includes('/runs/'))
    .sort()
  const all = files.flatMap((file) => Object.keys(CHANGES).map((change) => [file, change] as const))
  const kinds = [...new Set(files.map(kindOf))]
  expect(kinds).toEqual(expect.arrayContaining(['.millrace/artifacts', '.millrace/journal', '.millrace/registry.db']))
  const cases = kinds.flatMap((kind, i) =>
    drawn(
      all.filter(([file]) => kindOf(file) === kind),
      kind === '.millrace/artifacts' ? OF_ARTIFACTS : OF_OTHERS,
      i,
    ),
  )
  const counts = { files: files.length, damages: 0, 'same results': 0, errors: 0 }
  await side(cases, async ([file, change]) => {
    await using work = await project(template)
    const path = join(work.path, file)
    const bytes = await readFile(path)
    if (bytes.length === 0) return
    await chmod(path, 0o644)
    await writeFile(path, CHANGES[change]?.(bytes) ?? bytes)
    counts.damages++
    const ended = await millrace(['run', work.file])
    try {
      if (ended.code === 0) {
        expect(modelOf(ended)).toBe(expected.model)
        expect((await manifestOf(work.output))?.rows).toBe(600)
        counts['same results']++
      } else {
        expect(ended.stderr).toMatch(/^error MR_(?!INTERNAL)/m)
        expect(ended.stderr).not.toMatch(/^\s+at /m)
        counts.errors++
      }
      const predicted = await predict(work)
      if (predicted !== undefined) expect(predicted.equals(expected.predicted)).toBe(true)
      else expect(ended.code, 'a run that ends well leaves a model that predicts').not.toBe(0)
    } catch (error) {
      throw new Error(`${file}: ${change}`, { cause: error })
    }
  })
  expect(counts['same results']).toBeGreaterThan(counts.errors)
  counted('damaged files', counts)
})
