/** The registry that comes with Millrace: one SQLite file, used by several processes at once. */
import { join } from 'node:path'
import type { ArtifactRef } from '../core/artifacts.js'
import { MillraceError, nearest } from '../core/errors.js'
import { type DatabaseOptions, RegistryDatabase, type Row } from './database.js'
import { checkAlias, checkModelName, parseModelUri } from './names.js'
import type { AliasChange, ModelRegistry, ModelVersion } from './registry.js'

/** The alias that a version gets when it passes the gate. */
export const CHAMPION = 'champion'

/** Where the registry of a home is. */
export const registryFile = (home: string): string => join(home, 'registry.db')

/**
 * Opens or creates the registry in `file`; its folder must exist. With `readOnly` it also works where file and folder
 * may not be written, and sees what others write meanwhile; what changes the registry then throws MR_FILE_ACCESS.
 * @throws MR_REGISTRY_CORRUPT, MR_REGISTRY_NEWER, MR_REGISTRY_BUSY, MR_FILE_ACCESS, MR_DISK_FULL
 */
export async function openRegistry(file: string, options: DatabaseOptions = {}): Promise<ModelRegistry> {
  return new SqliteRegistry(await RegistryDatabase.open(file, options))
}

class SqliteRegistry implements ModelRegistry {
  constructor(private readonly database: RegistryDatabase) {}

  async models(): Promise<readonly string[]> {
    return this.#names()
  }

  async versions(name: string): Promise<readonly ModelVersion[]> {
    this.#mustExist(name)
    return this.#read(this.database.all('SELECT * FROM versions WHERE name = ? ORDER BY version', name))
  }

  async version(name: string, version: number): Promise<ModelVersion> {
    return this.#version(name, version)
  }

  async register(entry: Parameters<ModelRegistry['register']>[0]): Promise<ModelVersion> {
    const { name, model, lineage, metrics, tags = {} } = entry
    checkModelName(name)
    for (const [metric, value] of Object.entries(metrics))
      if (!Number.isFinite(value))
        throw new MillraceError('MR_MODEL_METRIC', `metric ${metric} of ${show(name)} is ${value}; it must be finite`)
    const version = this.database.write(() => {
      const same = this.database.all(
        'SELECT version FROM versions WHERE name = ? AND run_id = ? AND digest = ?',
        name,
        lineage.runId,
        model.digest,
      )[0]
      if (same !== undefined) return Number(same['version'])
      const last = this.database.all('SELECT max(version) AS last FROM versions WHERE name = ?', name)[0]
      const next = Number(last?.['last'] ?? 0) + 1
      this.database.run(
        `INSERT INTO versions (name, version, created_at, digest, media_type, size, run_id, data, config, evaluation,
           metrics, tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        name,
        next,
        Date.now(),
        model.digest,
        model.mediaType,
        model.size,
        lineage.runId,
        lineage.data,
        lineage.config,
        lineage.evaluation === undefined ? null : JSON.stringify(lineage.evaluation),
        JSON.stringify(metrics),
        JSON.stringify(tags),
      )
      this.#advance()
      return next
    })
    return this.#version(name, version)
  }

  async setAlias(name: string, alias: string, version: number, reason: string): Promise<void> {
    checkAlias(alias)
    this.database.write(() => {
      this.#version(name, version)
      const from = this.#pointed(name, alias)
      if (from !== version) this.#move(name, alias, from, version, reason, null)
    })
  }

  async rollback(name: string, alias = CHAMPION): Promise<ModelVersion> {
    const back = this.database.write(() => {
      this.#mustExist(name)
      const from = this.#pointed(name, alias)
      if (from === undefined) throw this.#unknownAlias(name, alias)
      // Changes and the rollbacks that undid them cancel out; the latest left over is the one to undo.
      const last = this.database.all(
        `SELECT id, from_version FROM changes AS c WHERE name = ? AND alias = ? AND undoes IS NULL
           AND NOT EXISTS (SELECT 1 FROM changes WHERE undoes = c.id) ORDER BY id DESC LIMIT 1`,
        name,
        alias,
      )[0]
      const to = last?.['from_version']
      if (last === undefined || typeof to !== 'number')
        throw new MillraceError(
          'MR_MODEL_NO_PAST',
          `${alias} of ${show(name)} is version ${from} and has no earlier version to go back to`,
          { hint: `choose one: millrace models alias ${show(name)} ${alias} VERSION` },
        )
      this.#move(name, alias, from, to, `rollback from version ${from}`, Number(last['id']))
      return to
    })
    return this.#version(name, back)
  }

  async history(name: string): Promise<readonly AliasChange[]> {
    this.#mustExist(name)
    return this.database.all('SELECT * FROM changes WHERE name = ? ORDER BY id', name).map((row) => ({
      alias: String(row['alias']),
      from: row['from_version'] === null ? undefined : Number(row['from_version']),
      to: row['to_version'] === null ? undefined : Number(row['to_version']),
      at: new Date(Number(row['at'])),
      reason: String(row['reason']),
    }))
  }

  async resolve(uri: string): Promise<ModelVersion> {
    const { name, alias, version } = parseModelUri(uri)
    this.#mustExist(name)
    if (typeof version === 'number') return this.#version(name, version)
    if (alias !== undefined) {
      const pointed = this.#pointed(name, alias)
      if (pointed === undefined) throw this.#unknownAlias(name, alias)
      return this.#version(name, pointed)
    }
    const champion = version === 'latest' ? undefined : this.#pointed(name, CHAMPION)
    const newest = this.database.all('SELECT max(version) AS last FROM versions WHERE name = ?', name)[0]
    return this.#version(name, champion ?? Number(newest?.['last']))
  }

  revision(): number {
    return Number(this.database.all('SELECT number FROM revision')[0]?.['number'])
  }

  async close(): Promise<void> {
    this.database.close()
  }

  #move(
    name: string,
    alias: string,
    from: number | undefined,
    to: number,
    reason: string,
    undoes: number | null,
  ): void {
    this.database.run('INSERT OR REPLACE INTO aliases (name, alias, version) VALUES (?, ?, ?)', name, alias, to)
    this.database.run(
      'INSERT INTO changes (name, alias, from_version, to_version, at, reason, undoes) VALUES (?, ?, ?, ?, ?, ?, ?)',
      name,
      alias,
      from ?? null,
      to,
      Date.now(),
      reason,
      undoes,
    )
    this.#advance()
  }

  #advance(): void {
    this.database.run('UPDATE revision SET number = number + 1')
  }

  #names(): string[] {
    return this.database.all('SELECT DISTINCT name FROM versions ORDER BY name').map((row) => String(row['name']))
  }

  #mustExist(name: string): void {
    if (this.database.all('SELECT 1 FROM versions WHERE name = ? LIMIT 1', name).length > 0) return
    const names = this.#names()
    const near = nearest(name, names)
    throw new MillraceError('MR_MODEL_UNKNOWN', `the registry holds no model ${show(name)}`, {
      hint:
        near !== undefined
          ? `did you mean ${show(near)}?`
          : names.length > 0
            ? `it holds: ${names.slice(0, 20).map(show).join(', ')}${names.length > 20 ? ', …' : ''}`
            : 'it is empty: a run registers its model (millrace run FILE)',
    })
  }

  #pointed(name: string, alias: string): number | undefined {
    const row = this.database.all('SELECT version FROM aliases WHERE name = ? AND alias = ?', name, alias)[0]
    return row === undefined ? undefined : Number(row['version'])
  }

  #unknownAlias(name: string, alias: string): MillraceError {
    const rows = this.database.all('SELECT alias FROM aliases WHERE name = ? ORDER BY alias', name)
    const aliases = rows.map((row) => String(row['alias']))
    const near = nearest(alias, aliases)
    return new MillraceError('MR_MODEL_ALIAS_UNKNOWN', `${show(name)} has no alias ${show(alias)}`, {
      hint:
        near !== undefined
          ? `did you mean models:/${name}@${near}?`
          : aliases.length > 0
            ? `its aliases: ${aliases.join(', ')}`
            : `it has none yet: millrace models alias ${show(name)} ${alias} VERSION`,
    })
  }

  #version(name: string, version: number): ModelVersion {
    const [found] = this.#read(
      this.database.all('SELECT * FROM versions WHERE name = ? AND version = ?', name, version),
    )
    if (found !== undefined) return found
    this.#mustExist(name)
    const known = this.database
      .all('SELECT version FROM versions WHERE name = ? ORDER BY version DESC LIMIT 20', name)
      .map((row) => row['version'])
    throw new MillraceError('MR_MODEL_VERSION_UNKNOWN', `${show(name)} has no version ${version}`, {
      hint: `its versions, newest first: ${known.join(', ')}`,
    })
  }

  #read(rows: readonly Row[]): ModelVersion[] {
    const [first] = rows
    if (first === undefined) return []
    const aliases = this.database.all(
      'SELECT alias, version FROM aliases WHERE name = ? ORDER BY alias',
      String(first['name']),
    )
    return rows.map((row) => ({
      name: String(row['name']),
      version: Number(row['version']),
      createdAt: new Date(Number(row['created_at'])),
      model: {
        digest: String(row['digest']) as ArtifactRef['digest'],
        mediaType: String(row['media_type']),
        size: Number(row['size']),
      },
      lineage: {
        runId: String(row['run_id']),
        data: String(row['data']),
        config: String(row['config']),
        ...(row['evaluation'] === null ? {} : { evaluation: JSON.parse(String(row['evaluation'])) as ArtifactRef }),
      },
      metrics: JSON.parse(String(row['metrics'])) as Record<string, number>,
      tags: JSON.parse(String(row['tags'])) as Record<string, string>,
      aliases: aliases.filter((alias) => alias['version'] === row['version']).map((alias) => String(alias['alias'])),
    }))
  }
}

const show = (name: string) => JSON.stringify(name)
