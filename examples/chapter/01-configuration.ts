/**
 * Chapter program 1: one typed configuration, from one YAML file. Every default is filled in, every fault is reported at
 * once with its place, and what this machine lacks is said before anything runs.
 */
import { fileURLToPath } from 'node:url'
import { detectMachine, fromYaml, loadConfig, MillraceError, planForMachine, toYaml } from 'millrace'

const file = fileURLToPath(new URL('cluster.yaml', import.meta.url))
const { config } = loadConfig(file, { set: ['training.batch_size=512'] })

console.log(`${config.pipeline_name} ${config.version}`)
console.log(
  `data      ${config.data.source_path} -> ${config.data.output_path}, ${config.data.num_partitions} partitions`,
)
console.log(
  `training  ${config.training.model_type}, ${config.training.num_workers} workers, batch ${config.training.batch_size}`,
)
console.log(`resources ${config.resources.num_nodes} nodes of ${config.resources.memory_per_node}`)

// the file and what it was read from are the same configuration
const again = fromYaml(toYaml(config))
console.log(`round trip equal: ${JSON.stringify(again) === JSON.stringify(config)}`)

// what the file asks for and this machine does instead
const plan = planForMachine(config, await detectMachine())
for (const note of [...plan.notes, ...plan.problems.map(({ message }) => message)]) console.log(`- ${note}`)

// all faults at once, each with line and column
try {
  fromYaml('pipeline_name: x\nversion: 1\ntraning:\n  model_type: neural_network\n  batch_size: -1\n', 'faulty.yaml')
} catch (error) {
  if (!(error instanceof MillraceError)) throw error
  console.log(error.message)
  for (const { at, message } of error.others) console.log(`  ${at?.file}:${at?.line}:${at?.column}: ${message}`)
}
