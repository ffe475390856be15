/** Starts the cluster before all files and stops it after them, also where starting it failed half-way (the script does). */
import type { TestProject } from 'vitest/node'
import { startCluster, stopCluster } from './cluster.js'

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = await startCluster(2)
  project.provide('spark', cluster)
  return () => stopCluster(cluster)
}
