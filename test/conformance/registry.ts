/** What every model registry must do. A registry's test calls this once. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ModelRegistry } from '../../src/registry/registry.js'
import { entry, model } from './registry-entry.js'

const code = (code: string, hint?: RegExp) =>
  expect.objectContaining(
    hint === undefined ? { code } : { code, hint: expect.stringMatching(hint) as string },
  ) as Record<string, unknown>

/** @param open gives a fresh, empty registry each time */
export function registryConformance(what: string, open: () => Promise<ModelRegistry>): void {
  describe(`model registry: ${what}`, () => {
    let registry: ModelRegistry
    beforeEach(async () => {
      registry = await open()
    })
    afterEach(() => registry.close())

    it('numbers versions within a name and gives back all that was registered', async () => {
      const evaluation = { ...model('e'), mediaType: 'application/json' }
      const given = { ...entry('churn', 'run-1'), tags: { trainer: 'embedded', 'a "b"': '' } }
      const before = Date.now()
      const first = await registry.register({ ...given, lineage: { ...given.lineage, evaluation } })
      expect(first).toMatchObject({ ...given, lineage: { ...given.lineage, evaluation }, version: 1, aliases: [] })
      expect(first.createdAt.getTime()).toBeGreaterThanOrEqual(before - 1000)
      expect((await registry.register(entry('churn', 'run-2', 'b'))).version).toBe(2)
      expect((await registry.register(entry('fraud', 'run-2', 'b'))).version).toBe(1)
      expect(await registry.models()).toEqual(['churn', 'fraud'])
      expect((await registry.versions('churn')).map((one) => one.version)).toEqual([1, 2])
      expect(await registry.version('churn', 1)).toEqual(first)
    })

    it('registers the same run and model once', async () => {
      const first = await registry.register(entry('churn', 'run-1'))
      expect(await registry.register(entry('churn', 'run-1'))).toEqual(first)
      expect((await registry.register(entry('churn', 'run-1', 'b'))).version).toBe(2)
      expect((await registry.register(entry('churn', 'run-2'))).version).toBe(3)
      expect(await registry.versions('churn')).toHaveLength(3)
    })

    it('keeps hostile names as they are', async () => {
      const names = ['O\'Brien "x"; DROP TABLE versions;--', '__proto__', 'constructor', 'чур 模型 🙂', 'a%2Fb', '-rf']
      for (const name of names) await registry.register({ ...entry(name, 'r'), metrics: { [name]: 1 } })
      expect([...(await registry.models())].sort()).toEqual([...names].sort())
      for (const name of names) {
        const found = await registry.resolve(`models:/${name}/1`)
        expect(found.name).toBe(name)
        expect(Object.entries(found.metrics)).toEqual([[name, 1]])
      }
    })

    it.each([
      '',
      ' a',
      'a ',
      'a/b',
      'a\\b',
      '..',
      '.',
      'a:b',
      'a@b',
      'a\nb',
      'a\0b',
      'a\u202eb',
      '\ud800',
      'x'.repeat(256),
    ])('refuses the model name %j', async (name) => {
      await expect(registry.register(entry(name, 'r'))).rejects.toEqual(code('MR_MODEL_NAME'))
    })

    it('refuses metrics that no JSON can hold', async () => {
      await expect(registry.register({ ...entry('churn', 'r'), metrics: { f1: NaN } })).rejects.toEqual(
        code('MR_MODEL_METRIC'),
      )
      expect(await registry.models()).toEqual([])
    })

    it('moves aliases, and tells of them with the version', async () => {
      await registry.register(entry('churn', 'r1'))
      await registry.register(entry('churn', 'r2'))
      await registry.setAlias('churn', 'champion', 1, 'passed the gate')
      await registry.setAlias('churn', 'Challenger-2_x', 2, 'new')
      expect((await registry.version('churn', 1)).aliases).toEqual(['champion'])
      await registry.setAlias('churn', 'champion', 2, 'better')
      const [one, two] = await registry.versions('churn')
      expect(one!.aliases).toEqual([])
      expect([...two!.aliases].sort()).toEqual(['Challenger-2_x', 'champion'])
      await registry.setAlias('churn', 'champion', 2, 'the same again changes nothing')
      const history = (await registry.history('churn')).filter((change) => change.alias === 'champion')
      expect(history).toMatchObject([
        { from: undefined, to: 1, reason: 'passed the gate' },
        { from: 1, to: 2, reason: 'better' },
      ])
      expect(history[0]!.at).toBeInstanceOf(Date)
    })

    it.each(['', 'v12', 'V1', 'latest', 'LATEST', 'a b', 'a/b', 'a@b', 'é', 'x'.repeat(256)])(
      'refuses the alias %j',
      async (alias) => {
        await registry.register(entry('churn', 'r'))
        await expect(registry.setAlias('churn', alias, 1, '')).rejects.toEqual(code('MR_MODEL_NAME'))
        expect(await registry.history('churn')).toEqual([])
      },
    )

    it('rolls back one change at a time, always further back', async () => {
      for (const run of ['r1', 'r2', 'r3', 'r4']) await registry.register(entry('churn', run))
      for (const version of [1, 2, 3]) await registry.setAlias('churn', 'champion', version, 'promoted')
      expect((await registry.rollback('churn')).version).toBe(2)
      expect((await registry.rollback('churn')).version).toBe(1)
      await expect(registry.rollback('churn')).rejects.toEqual(code('MR_MODEL_NO_PAST'))
      expect((await registry.resolve('models:/churn@champion')).version).toBe(1)

      // A promotion after a rollback is undone to where the rollback had led, not to what it had undone.
      await registry.setAlias('churn', 'champion', 4, 'promoted')
      await registry.setAlias('churn', 'champion', 3, 'promoted')
      expect((await registry.rollback('churn')).version).toBe(4)
      expect((await registry.rollback('churn')).version).toBe(1)
      await expect(registry.rollback('churn')).rejects.toEqual(code('MR_MODEL_NO_PAST'))
      const history = await registry.history('churn')
      expect(history.map((change) => change.to)).toEqual([1, 2, 3, 2, 1, 4, 3, 4, 1])
      for (let i = 1; i < history.length; i++) expect(history[i]!.from).toBe(history[i - 1]!.to)
    })

    it('rolls back each alias and each model by its own past', async () => {
      for (const name of ['churn', 'fraud']) for (const run of ['r1', 'r2']) await registry.register(entry(name, run))
      await registry.setAlias('churn', 'champion', 1, '')
      await registry.setAlias('churn', 'staging', 2, '')
      await registry.setAlias('churn', 'staging', 1, '')
      await registry.setAlias('fraud', 'champion', 1, '')
      await registry.setAlias('fraud', 'champion', 2, '')
      await expect(registry.rollback('churn')).rejects.toEqual(code('MR_MODEL_NO_PAST'))
      expect((await registry.rollback('churn', 'staging')).version).toBe(2)
      expect((await registry.rollback('fraud')).version).toBe(1)
      expect((await registry.resolve('models:/churn@champion')).version).toBe(1)
    })

    it('resolves addresses', async () => {
      await registry.register(entry('churn', 'r1'))
      await registry.register(entry('churn', 'r2'))
      const version = async (uri: string) => (await registry.resolve(uri)).version
      expect(await version('models:/churn')).toBe(2)
      await registry.setAlias('churn', 'champion', 1, '')
      expect(await version('models:/churn')).toBe(1)
      expect(await version('models:/churn@champion')).toBe(1)
      expect(await version('models:/churn/2')).toBe(2)
      expect(await version('models:/churn/latest')).toBe(2)
    })

    it('says what exists where a name is unknown', async () => {
      await expect(registry.resolve('models:/churn')).rejects.toEqual(code('MR_MODEL_UNKNOWN', /empty/))
      await registry.register(entry('churn', 'r1'))
      await registry.setAlias('churn', 'champion', 1, '')
      await expect(registry.resolve('models:/chrun@champion')).rejects.toEqual(code('MR_MODEL_UNKNOWN', /"churn"/))
      await expect(registry.resolve('models:/churn@champoin')).rejects.toEqual(
        code('MR_MODEL_ALIAS_UNKNOWN', /models:\/churn@champion/),
      )
      await expect(registry.resolve('models:/churn/7')).rejects.toEqual(code('MR_MODEL_VERSION_UNKNOWN', /: 1$/))
      for (const method of ['versions', 'history', 'rollback'] as const)
        await expect(registry[method]('chrun')).rejects.toEqual(code('MR_MODEL_UNKNOWN'))
      await expect(registry.version('churn', 1.5)).rejects.toEqual(code('MR_MODEL_VERSION_UNKNOWN'))
      await expect(registry.setAlias('churn', 'champion', 9, '')).rejects.toEqual(code('MR_MODEL_VERSION_UNKNOWN'))
      await expect(registry.setAlias('fraud', 'champion', 1, '')).rejects.toEqual(code('MR_MODEL_UNKNOWN'))
      await expect(registry.rollback('churn', 'staging')).rejects.toEqual(code('MR_MODEL_ALIAS_UNKNOWN', /champion/))
    })

    it.each([
      '',
      'churn',
      'models:',
      'models:/',
      'models://churn',
      'models:/churn/',
      'models:/churn@a@b',
      'models:/a/1/2',
    ])('refuses the address %j', async (uri) => {
      await expect(registry.resolve(uri)).rejects.toMatchObject({ code: expect.stringMatching(/URI|NAME/) as string })
    })

    it.each(['models:/churn/0', 'models:/churn/-1', 'models:/churn/01', 'models:/churn/1e3', 'models:/../churn'])(
      'refuses the version or path in %j',
      async (uri) => {
        await registry.register(entry('churn', 'r1'))
        await expect(registry.resolve(uri)).rejects.toMatchObject({ code: expect.stringMatching(/URI|NAME/) as string })
      },
    )

    it('changes its revision with every change, and only then', async () => {
      const seen = [registry.revision()]
      const changed = async (work: Promise<unknown>) => {
        await work
        expect(seen).not.toContain(registry.revision())
        seen.push(registry.revision())
      }
      await changed(registry.register(entry('churn', 'r1')))
      await changed(registry.register(entry('churn', 'r2')))
      await changed(registry.setAlias('churn', 'champion', 1, ''))
      await changed(registry.setAlias('churn', 'champion', 2, ''))
      await changed(registry.rollback('churn'))
      await registry.setAlias('churn', 'champion', 1, 'no change')
      await registry.register(entry('churn', 'r1'))
      await registry.resolve('models:/churn')
      expect(registry.revision()).toBe(seen.at(-1))
    })
  })
}
