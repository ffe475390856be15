import { describe, expect, it } from 'vitest'
import { parseYaml } from './source.js'

const faultsOf = (text: string, env = {}) =>
  parseYaml(text, 'p.yaml', env).faults.map((f) => `${f.at?.line}:${f.at?.column} ${f.message}`)

describe('unsafe or broken YAML', () => {
  it.each([
    ['a: 1\na: 2', '2:1 the key "a" stands twice in one map, first in line 1'],
    ['1: x\n"1": y', '2:1 the key "1" stands twice in one map, first in line 1'],
    ['a:\n\tb: 1', '2:1 a tab indents this line, YAML wants spaces'],
    ['a: 1\n---\nb: 2', '2:1 a second YAML document starts here, a pipeline file is one document'],
    ['- 1', '1:1 the file holds a list, it must hold a map of keys'],
    ['just text', '1:1 the file holds a single value, it must hold a map of keys'],
    ['', '1:1 the file is empty, it must hold the keys of a pipeline'],
    ['# only a comment', '1:1 the file is empty, it must hold the keys of a pipeline'],
    ['a: !!binary aGk=', '1:13 the tag "!!binary" is not allowed, values are plain'],
    ['a: !!js/function x', '1:18 the tag "!!js/function" is not allowed, values are plain'],
    ['%YAML 1.1\n---\na: yes', '1:1 a %YAML directive is not understood, remove it'],
    ['__proto__: {a: 1}', '1:1 "__proto__" cannot be a key'],
    ['a: {"__proto__": {b: 1}}', '1:5 "__proto__" cannot be a key'],
    ['? [x]\n: 1', '1:3 a key must be text'],
    ['a: *nowhere', '1:4 the alias *nowhere has no anchor'],
  ])('%j', (text, fault) => {
    expect(faultsOf(text)).toContain(fault)
    expect(({} as Record<string, unknown>)['a']).toBeUndefined()
  })

  it('stops an alias bomb before it expands', () => {
    const layers = Array.from(
      { length: 12 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(12).fill(`*l${i}`).join(', ')}]`,
    )
    const started = performance.now()
    expect(faultsOf(`l0: &l0 x\n${layers.join('\n')}`).join()).toMatch(/more than 50000 values/)
    expect(performance.now() - started).toBeLessThan(5000)
  })

  it('stops an anchor that holds itself, deep nesting and huge files', () => {
    expect(faultsOf('a: &x {b: *x}').join()).toMatch(/50 levels|no anchor/)
    expect(faultsOf(`a: ${'['.repeat(200_000)}`)).toEqual(['1:1 the file is nested too deeply'])
    expect(faultsOf('- '.repeat(100_000))).toEqual(['1:1 the file is nested too deeply'])
    expect(faultsOf(`a: ${'['.repeat(100)}${']'.repeat(100)}`).join()).toMatch(/50 levels/)
    expect(faultsOf('x'.repeat(2 ** 20 + 1)).join()).toMatch(/characters/)
  })
})

describe('variables', () => {
  const value = (text: string, env: Record<string, string> = {}) => {
    const { tree } = parseYaml(`k: ${text}`, 'p.yaml', env)
    const node = tree?.kind === 'map' ? tree.entries.get('k')?.value : undefined
    return node?.kind === 'scalar' ? node.value : undefined
  }

  it.each([
    ['${A}', { A: 'x' }, 'x'],
    ['a/${A}/${B}', { A: 'x', B: 'y' }, 'a/x/y'],
    ['${N}', { N: '512' }, 512],
    ['${N}', { N: '1e-3' }, 0.001],
    ['${N}', { N: 'true' }, true],
    ['"${N}"', { N: '512' }, '512'],
    ['${A:-fallback}', {}, 'fallback'],
    ['${A:-fallback}', { A: '' }, 'fallback'],
    ['${A:-}', {}, null],
    ['$${A}', { A: 'x' }, '${A}'],
    ['$$${A}', { A: 'x' }, '$${A}'],
    ['$A', { A: 'x' }, '$A'],
    // what came from the environment is never looked into
    ['${A}', { A: '${B}', B: 'secret' }, '${B}'],
    ['"${A}"', { A: '[1, 2]' }, '[1, 2]'],
    ['${A}', { A: '{a: 1}' }, '{a: 1}'],
  ])('%s', (text, env, expected) => expect(value(text, env as Record<string, string>)).toBe(expected))

  it('reports what is unset or malformed at its place', () => {
    expect(faultsOf('a: 1\nb: x${NOPE}')).toEqual(['2:4 the environment variable NOPE is not set'])
    expect(faultsOf('a: "${1x}"')).toEqual(['1:4 "${1x}" must be ${NAME} or ${NAME:-default}'])
    expect(faultsOf('a: "${open"')).toEqual(['1:4 "${open" must be ${NAME} or ${NAME:-default}'])
  })
})
