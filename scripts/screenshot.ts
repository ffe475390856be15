/** Takes the README's picture of a page: tsx scripts/screenshot.ts PAGE.html OUT.png [--dark] [--width N] [--height N] [--full] */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { launchChromium } from '../test/e2e/chromium.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dark: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    width: { type: 'string', default: '1280' },
    height: { type: 'string', default: '1500' },
  },
})
const [page, out] = positionals
const [width, height] = [Number(values.width), Number(values.height)]
if (page === undefined || out === undefined || !(width > 0) || !(height > 0)) {
  console.error('usage: tsx scripts/screenshot.ts PAGE.html OUT.png [--dark] [--width N] [--height N] [--full]')
  process.exit(2)
}
const browser = await launchChromium()
try {
  const tab = await browser.newPage({ viewport: { width, height }, colorScheme: values.dark ? 'dark' : 'light' })
  await tab.goto(pathToFileURL(resolve(page)).href)
  await tab.screenshot({ path: out, fullPage: values.full })
} finally {
  await browser.close()
}
