/** The browser of end-to-end tests: one that is installed, never downloaded. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'

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
