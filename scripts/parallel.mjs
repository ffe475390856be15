// Runs scripts of package.json at the same time, each one's output in one piece: node scripts/parallel.mjs types lint
// Exit code 1 if any of them fails.
import { spawn } from 'node:child_process'

const run = (script) =>
  new Promise((resolve) => {
    const started = performance.now()
    // npm's own file, so that no shell is needed on Windows
    const npm = process.env.npm_execpath
    const [command, ...args] = npm ? [process.execPath, npm] : ['npm']
    const child = spawn(command, [...args, 'run', '--silent', script], { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data))
    child.on('error', (error) => (text += error.message))
    child.on('close', (code) => {
      const took = ((performance.now() - started) / 1000).toFixed(0)
      console.log(`${text}${script}: ${code === 0 ? 'passed' : 'FAILED'} in ${took} s`)
      resolve(code === 0)
    })
  })

const passed = await Promise.all(process.argv.slice(2).map(run))
process.exitCode = passed.every(Boolean) ? 0 : 1
