/** The pages in a real browser: nothing on the console, nothing on the network, readable everywhere. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { renderRunPage } from '../../src/dashboard/run-page.js'
import { renderValidationPage } from '../../src/dashboard/validation-page.js'
import { failedRun, goodRun, hostileRun, largeRun, regressionRun, telco } from '../dashboard/fixture.js'
import { contrast, launchChromium } from './chromium.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-pages-'))
const PAGES = {
  good: renderRunPage(goodRun),
  failed: renderRunPage(failedRun),
  regression: renderRunPage(regressionRun),
  hostile: renderRunPage(hostileRun),
  large: renderRunPage(largeRun),
  validation: renderValidationPage(telco.validation, { pipeline: 'churn' }),
}

let browser: Browser
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())

/** Opens a page and collects what it does that it should not. */
async function open(html: string, options: { width: number; dark?: boolean }) {
  const file = join(folder, `${Math.random().toString(36).slice(2)}.html`)
  writeFileSync(file, html)
  const page = await browser.newPage({
    viewport: { width: options.width, height: 900 },
    colorScheme: options.dark === true ? 'dark' : 'light',
  })
  const faults: string[] = []
  page.on('console', (message) => faults.push(`console: ${message.text()}`))
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  const url = pathToFileURL(file).href
  page.on('request', (request) => {
    if (request.url() !== url) faults.push(`request: ${request.url()}`)
  })
  await page.goto(url)
  return { page, faults }
}

describe.each(Object.entries(PAGES))('%s', (name, html) => {
  test.each([1280, 375])('at %i px: quiet, no sideways scrolling, every chart has a size', async (width) => {
    const { page, faults } = await open(html, { width })
    await page.screenshot({ path: join(folder, `${name}-${width}.png`), fullPage: true })
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
    const sizes = await page.evaluate<number[]>(
      `[...document.querySelectorAll('svg.chart')].filter((c) => c.checkVisibility()).map((c) => Math.min(c.getBoundingClientRect().width, c.getBoundingClientRect().height))`,
    )
    expect(sizes.length).toBeGreaterThan(1)
    expect(Math.min(...sizes)).toBeGreaterThan(0)
    expect(faults).toEqual([])
    await page.close()
  })

  test.each([false, true])('text contrast, dark: %s', async (dark) => {
    const { page, faults } = await open(html, { width: 1280, dark })
    await page.screenshot({ path: join(folder, `${name}-${dark ? 'dark' : 'light'}.png`), fullPage: true })
    const result = await contrast(page)
    expect(result.seen).toBeGreaterThan(30)
    expect(result.faults).toEqual([])
    expect(faults).toEqual([])
    await page.close()
  })
})

describe('behaviour', () => {
  test('the switch changes the theme and says what it will do', async () => {
    const { page, faults } = await open(PAGES.good, { width: 1280 })
    const ground = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    const light = await ground()
    await page.getByRole('button', { name: 'Switch to the dark theme' }).click()
    expect(await ground()).not.toBe(light)
    expect((await contrast(page)).faults).toEqual([])
    await page.getByRole('button', { name: 'Switch to the light theme' }).click()
    expect(await ground()).toBe(light)
    expect(faults).toEqual([])
    await page.close()
  })

  test('a click on a head sorts by number, a second one the other way', async () => {
    const { page } = await open(PAGES.good, { width: 1280 })
    const first = () => page.locator('#columns tbody tr').first().locator('td').first().textContent()
    expect(await first()).toBe('customerID')
    await page.locator('#columns th button', { hasText: 'Distinct' }).click()
    expect(await page.locator('#columns th[aria-sort=ascending]').textContent()).toBe('Distinct')
    expect(await first()).toBe('gender')
    await page.locator('#columns th button', { hasText: 'Distinct' }).click()
    expect(await first()).toBe('customerID')
    await page.close()
  })

  test('labels of a chart do not lie on each other', async () => {
    const { page } = await open(PAGES.good, { width: 1280 })
    const overlaps = await page.evaluate<string[]>(`[...document.querySelectorAll('svg.chart')].flatMap((svg) => {
      const texts = [...svg.querySelectorAll('text')].map((t) => ({ t: t.textContent, b: t.getBoundingClientRect() }))
      return texts.flatMap((p, i) => texts.slice(i + 1).filter((q) => p.b.left < q.b.right - 1 && q.b.left < p.b.right - 1 && p.b.top < q.b.bottom - 3 && q.b.top < p.b.bottom - 3).map((q) => p.t + ' / ' + q.t))
    })`)
    expect(overlaps).toEqual([])
    const outside = await page.evaluate<string[]>(`[...document.querySelectorAll('svg.chart text')].filter((t) => {
      const [b, s] = [t.getBoundingClientRect(), t.closest('svg').getBoundingClientRect()]
      return b.left < s.left - 1 || b.right > s.right + 1 || b.bottom > s.bottom + 2
    }).map((t) => t.textContent)`)
    expect(outside).toEqual([])
    await page.close()
  })

  test('the contrast check itself sees a colour that is too weak', async () => {
    const { page } = await open(PAGES.failed, { width: 1280 })
    await page.evaluate(`document.documentElement.style.setProperty('--muted', '#8d949c')`)
    expect((await contrast(page)).faults.length).toBeGreaterThan(3)
    await page.close()
  })

  test('prints on white', async () => {
    const { page } = await open(PAGES.good, { width: 1280, dark: true })
    await page.emulateMedia({ media: 'print' })
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)')
    expect((await page.pdf()).length).toBeGreaterThan(10_000)
    await page.close()
  })
})
