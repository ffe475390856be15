/** SIGKILL in the middle of every stage of the churn pipeline; the resumed run ends with the bytes of an undisturbed one. */
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { example, resultOf, start, succeed } from './cli.js'
import { join } from 'node:path'
import { STAGES } from '../../src/stages/pipeline-stages.js'

let undisturbed: Promise<string> | undefined
const digestOf = async (): Promise<string> => {
  await using churn = await example('churn')
  return resultOf(await succeed(['run', churn.file, '--json'])).registration?.model.digest ?? ''
}

/** Starts the command and kills it when the event comes; true if it was killed before it ended by itself. */
async function killAt(
  args: readonly string[],
  isTheMoment: (event: Record<string, unknown>) => boolean,
): Promise<boolean> {
  const run = start(args)
  let wasKilled = false
  createInterface({ input: run.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    if (wasKilled || !isTheMoment(JSON.parse(line) as Record<string, unknown>)) return
    wasKilled = true
    run.child.kill('SIGKILL')
  })
  const { signal } = await run.finished
  return signal === 'SIGKILL'
}

describe('SIGKILL', () => {
  test('in the middle of every stage, one after the other', async () => {
    undisturbed ??= digestOf()
    const expected = await undisturbed
    await using churn = await example('churn')
    const home = ['--home', join(churn.path, '.millrace')]
    let args = ['run', churn.file, '--json']
    for (const stage of STAGES) {
      const isTheMoment = (event: Record<string, unknown>): boolean =>
        event['type'] === 'stage-started' && event['stage'] === stage
      expect(await killAt(args, isTheMoment), `killed in ${stage}`).toBe(true)
      expect((await succeed(['status', ...home])).stdout).toContain('killed')
      args = ['resume', '--json', ...home]
    }
    const resumed = resultOf(await succeed(args))
    expect(resumed.registration?.model.digest).toBe(expected)
    expect(resumed.registration?.version).toBe(1)
  })

  test('train, after a checkpoint: goes on from it to the same bytes', async () => {
    undisturbed ??= digestOf()
    const expected = await undisturbed
    await using churn = await example('churn')
    expect(await killAt(['run', churn.file, '--json'], (event) => event['type'] === 'stage-checkpoint')).toBe(true)
    const resumed = await succeed(['resume', '--json', '--home', join(churn.path, '.millrace')])
    expect(resumed.stdout).toContain('going on from the last checkpoint')
    expect(resultOf(resumed).registration?.model.digest).toBe(expected)
  })

  test('Ctrl-C ends with 130 and says how to resume', async () => {
    await using churn = await example('churn')
    const run = start(['run', churn.file, '--json'])
    await run.line(/"stage-started".*"train"|"stage":"train".*"stage-started"/)
    run.child.kill('SIGINT')
    const { code, stderr } = await run.finished
    expect(code).toBe(130)
    expect(stderr).toContain('millrace resume')
  })

  test('a second run on the same home is refused at once', async () => {
    await using churn = await example('churn')
    const first = start(['run', churn.file, '--json'])
    await first.line(/stage-started/)
    const second = await start(['run', churn.file]).finished
    expect(second.code).not.toBe(0)
    expect(second.stderr).toContain('error MR_HOME_LOCKED')
    expect((await first.finished).code).toBe(0)
  })
})
