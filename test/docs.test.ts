/** Every relative link in the project's pages leads to a file, and to a heading where it names one. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => join('docs', name))
const pages = [...readdirSync(root), ...docs].filter((name) => name.endsWith('.md')).map((name) => join(root, name))

/** As GitHub makes them. */
const anchors = (text: string): readonly string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

function broken(page: string): readonly string[] {
  const text = readFileSync(page, 'utf8').replace(/```[\s\S]*?```/g, '')
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^[a-z]+:/i.test(link))
    .filter((link) => {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : resolve(dirname(page), decodeURIComponent(path))
      if (!existsSync(target)) return true
      return anchor !== undefined && !anchors(readFileSync(target, 'utf8')).includes(anchor)
    })
}

test.each(pages.map((page) => [relative(root, page), page]))('links of %s resolve', (_, page) => {
  expect(broken(page)).toEqual([])
})

test('every guide is reached from another page', () => {
  const linked = pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/\]\(([^)\s#]+)/g)].map(([, link = '']) => resolve(dirname(page), link)),
  )
  const folders = new Set(linked.map((path) => path.replace(/[\\/]$/, '')))
  expect(
    pages.filter((page) => dirname(page) !== resolve(root) && !linked.includes(page) && !folders.has(dirname(page))),
  ).toEqual([])
})
