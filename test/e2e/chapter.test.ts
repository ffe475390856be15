/** The chapter's programs, as a reader runs them: each ends well and says what it is there to show. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from './cli.js'

function program(name: string): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const args = ['--import', 'tsx', join('examples', 'chapter', `${name}.ts`)]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: ROOT }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

test.each([
  [
    '01-configuration',
    [
      /^training {2}neural_network, 8 workers, batch 512$/m,
      /^round trip equal: true$/m,
      /^- resources\.num_nodes is 8: this version runs on one machine/m,
      /^ {2}faulty\.yaml:3:1: unknown key "traning" .*did you mean training\?$/m,
    ],
  ],
  [
    '02-execution',
    [
      /^success: count success \(0 retries\), sum success \(1 retries\)$/m,
      /^success: count cached \(0 retries\), sum cached \(0 retries\)$/m,
      /^success: count cached \(0 retries\), sum success \(0 retries\)$/m,
    ],
  ],
  [
    '03-etl',
    [
      /^extract: 7043 rows, 21 columns from 1 csv file$/m,
      /^success: 7043 rows of features in 3 files$/m,
      /split=train\/part-0\.parquet: 4930 rows$/m,
    ],
  ],
  [
    '07-end-to-end',
    [/^success; ROC-AUC 0\.8\d+ .* reaches the minimum 0\.8$/m, /^threshold 0\.\d{3}: Yes with 0\.\d{3}$/m],
  ],
])('%s', async (name, lines) => {
  const { code, stdout, stderr } = await program(name)
  expect(code, stderr).toBe(0)
  for (const line of lines) expect(stdout).toMatch(line)
})
