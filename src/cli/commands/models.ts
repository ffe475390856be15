/** `millrace models`: what the registry holds, and which version an alias points to. */
import { MillraceError } from '../../core/errors.js'
import { fixed, timestamp } from '../../dashboard/format.js'
import { terminalTable } from '../../dashboard/terminal.js'
import type { ModelRegistry, ModelVersion } from '../../registry/registry.js'
import { existingRegistry } from '../model-source.js'
import { printable } from '../output.js'
import { type Call, textOf } from '../verb.js'

/** Of all scores, those that a line has room for; the rest is under --json. */
const TOLD_FIRST = ['roc_auc', 'average_precision', 'log_loss', 'accuracy', 'rmse', 'mae', 'r2']

/** `models [NAME]`: all models, or the versions of one. */
export async function run(call: Call): Promise<number> {
  const name = textOf(call.args[0])
  const show = (registry: ModelRegistry) => (name === undefined ? all(call, registry) : one(call, registry, name))
  return withRegistry(call, show, { readOnly: true })
}

/** `models alias NAME ALIAS VERSION`. */
export async function alias(call: Call): Promise<number> {
  const [name, alias, text] = call.args.map((arg) => textOf(arg)) as [string, string, string]
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new MillraceError('MR_USAGE', `VERSION is a whole number from 1, not ${JSON.stringify(text)}`)
  return withRegistry(call, async (registry) => {
    const version = Number(text)
    const before = (await registry.versions(name)).find(({ aliases }) => aliases.includes(alias))?.version
    await registry.setAlias(name, alias, version, textOf(call.options['reason']) ?? 'set by hand')
    call.out.say(`${printable(name)}@${alias} is version ${version}${before === undefined ? '' : `, was ${before}`}`)
    call.out.document({ name, alias, version, before: before ?? null })
    return 0
  })
}

/** `models rollback NAME`: the alias back to where it pointed before. */
export async function rollback(call: Call): Promise<number> {
  const name = textOf(call.args[0]) as string
  const alias = textOf(call.options['alias']) ?? 'champion'
  return withRegistry(call, async (registry) => {
    const before = (await registry.versions(name)).find(({ aliases }) => aliases.includes(alias))?.version
    const { version } = await registry.rollback(name, alias)
    call.out.say(`${printable(name)}@${alias} is version ${version} again, was ${before ?? 'nothing'}`)
    call.out.document({ name, alias, version, before: before ?? null })
    return 0
  })
}

async function withRegistry<T>(
  call: Call,
  work: (registry: ModelRegistry) => Promise<T>,
  options: { readonly readOnly?: boolean } = {},
): Promise<T> {
  const registry = await existingRegistry(call.home, options)
  try {
    return await work(registry)
  } finally {
    await registry.close()
  }
}

async function all({ out }: Call, registry: ModelRegistry): Promise<number> {
  const models = await Promise.all(
    (await registry.models()).map(async (name) => {
      const versions = await registry.versions(name)
      const aliases = versions.flatMap((version) => version.aliases.map((alias) => [alias, version.version] as const))
      return { name, versions: versions.length, newest: versions.at(-1), aliases: Object.fromEntries(aliases) }
    }),
  )
  const rows = models.map(({ name, versions, newest, aliases }) => [
    name,
    String(versions),
    Object.entries(aliases)
      .map(([alias, version]) => `${alias}: ${version}`)
      .join(', '),
    newest ? timestamp(newest.createdAt) : '',
  ])
  const columns = [
    { title: 'model' },
    { title: 'versions', align: 'right' },
    { title: 'aliases' },
    { title: 'newest (UTC)' },
  ] as const
  for (const line of terminalTable(columns, rows, { colour: out.isColoured })) out.say(line)
  out.document({ models: models.map(({ newest, ...model }) => ({ ...model, newest: newest && describe(newest) })) })
  return 0
}

async function one({ out }: Call, registry: ModelRegistry, name: string): Promise<number> {
  const versions = await registry.versions(name)
  const history = await registry.history(name)
  const known = new Set(versions.flatMap((version) => Object.keys(version.metrics)))
  const first = TOLD_FIRST.filter((metric) => known.has(metric))
  const metrics = [...first, ...known].filter((metric, i, all) => all.indexOf(metric) === i).slice(0, 4)
  const rows = versions
    .toReversed()
    .map((version) => [
      String(version.version),
      version.aliases.join(', '),
      timestamp(version.createdAt),
      ...metrics.map((metric) => fixed(version.metrics[metric], 4)),
      version.lineage.runId,
    ])
  const columns = [
    ...[{ title: 'version', align: 'right' as const }, { title: 'aliases' }, { title: 'registered (UTC)' }],
    ...metrics.map((title) => ({ title, align: 'right' as const })),
    { title: 'run' },
  ]
  for (const line of terminalTable(columns, rows, { colour: out.isColoured })) out.say(line)
  out.document({
    name,
    versions: versions.map(describe),
    history: history.map(({ at, from, to, ...change }) => ({
      ...change,
      from: from ?? null,
      to: to ?? null,
      at: at.toISOString(),
    })),
  })
  return 0
}

function describe({ version, createdAt, model, lineage, metrics, tags, aliases }: ModelVersion): object {
  return { version, created_at: createdAt.toISOString(), aliases, metrics, tags, lineage, model }
}
