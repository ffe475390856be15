/** Starts worker threads from this package's own modules, compiled or, while developing, straight from TypeScript. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * @param module the worker's compiled module, `new URL('./x.js', import.meta.url)`; where only `x.ts` exists
 *   (tests and development run the sources) the thread registers the TypeScript loader first
 */
export function startWorker(module: URL, options: WorkerOptions = {}): Worker {
  if (existsSync(fileURLToPath(module))) return new Worker(module, options)
  const source = module.href.replace(/\.js$/, '.ts')
  // resolved here: in the thread, packages would be looked for from the current folder
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const boot = `import(${loader}).then(({ register }) => { register(); return import(${JSON.stringify(source)}) })`
  return new Worker(boot, { ...options, eval: true })
}
