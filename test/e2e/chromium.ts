/** The browser of end-to-end tests: one that is installed, never downloaded. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Path of the first Chromium or Chrome on PATH; throws and says what to install if there is none. */
export function findChromium(path = process.env['PATH'] ?? ''): string {
  for (const name of NAMES)
    for (const folder of path.split(delimiter).filter((f) => f !== '')) {
      const file = join(folder, name)
      try {
        accessSync(file, constants.X_OK)
        return file
      } catch {
        // not here; the next folder
      }
    }
  throw new Error(`no browser on PATH: looked for ${NAMES.join(', ')}. On Debian: apt-get install chromium`)
}

/** A headless browser that asks nothing of the network by itself. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(),
    args: [
      '--no-sandbox',
      '--headless',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** Texts whose contrast with what lies behind them is under 4.5:1. Runs in the page. */
const CONTRAST = `(() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return { r: m[0], g: m[1], b: m[2], a: m[3] ?? 1 } }
  const over = (top, below) => ({ r: top.r * top.a + below.r * (1 - top.a), g: top.g * top.a + below.g * (1 - top.a), b: top.b * top.a + below.b * (1 - top.a), a: 1 })
  const channel = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  const light = (c) => 0.2126 * channel(c.r) + 0.7152 * channel(c.g) + 0.0722 * channel(c.b)
  const ground = (element) => {
    const layers = []
    for (let e = element; e; e = e.parentElement) layers.unshift(parse(getComputedStyle(e).backgroundColor))
    return layers.reduce((below, top) => over(top, below), { r: 255, g: 255, b: 255, a: 1 })
  }
  const faults = []
  let seen = 0
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement
    if (!node.data.trim() || element.closest('script,style,title,desc') || !element.checkVisibility()) continue
    const style = getComputedStyle(element)
    const svg = element.closest('svg')
    let behind = ground(svg ? svg.parentElement : element)
    if (svg) {
      // Marks drawn before the text and under its middle lie behind it too.
      const box = element.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2
      const text = element.closest('text')
      for (const mark of svg.querySelectorAll('rect,circle')) {
        const m = mark.getBoundingClientRect()
        if (!(mark.compareDocumentPosition(text) & 4) || x < m.left || x > m.right || y < m.top || y > m.bottom) continue
        const s = getComputedStyle(mark)
        if (s.fill === 'none') continue
        behind = over({ ...parse(s.fill), a: Number(s.fillOpacity) }, behind)
      }
    }
    const front = over(parse(svg ? style.fill : style.color), behind)
    const [a, b] = [light(front), light(behind)].sort((p, q) => q - p)
    seen++
    const ratio = (a + 0.05) / (b + 0.05)
    if (ratio < 4.5) faults.push(node.data.trim().slice(0, 40) + ' ' + ratio.toFixed(2))
  }
  return { faults: [...new Set(faults)], seen }
})()`

/** Texts of a page that are hard to read against what lies behind them, and how many texts it has. */
export const contrast = (page: Page) => page.evaluate<{ faults: string[]; seen: number }>(CONTRAST)
