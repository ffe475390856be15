/**
 * The one palette, light and dark. Marks differ in hue and in lightness (blue, vermillion, green after Okabe and Ito),
 * so that they are told apart without red-green vision and in grey; text colours reach 4.5:1 on all three surfaces.
 */

const LIGHT = {
  paper: '#ffffff',
  surface: '#f5f6f8',
  line: '#dfe3e8',
  axis: '#8b949e',
  ink: '#1b1f24',
  muted: '#59616b',
  link: '#0b5cad',
  'mark-1': '#0b6bb8',
  'mark-2': '#c8500a',
  'mark-3': '#00805e',
  'mark-0': '#9aa3ad',
  good: '#00704f',
  warn: '#8a5300',
  bad: '#b3261e',
  'good-tint': '#e4f4ee',
  'warn-tint': '#fcf1de',
  'bad-tint': '#fdecea',
}

const DARK: typeof LIGHT = {
  paper: '#13161a',
  surface: '#1b1f25',
  line: '#2f353d',
  axis: '#6f7883',
  ink: '#e8eaed',
  muted: '#a4adb8',
  link: '#7cbcf5',
  'mark-1': '#5aaef0',
  'mark-2': '#f0955a',
  'mark-3': '#45c8a0',
  'mark-0': '#737d88',
  good: '#5fd3ae',
  warn: '#efb75e',
  bad: '#ff8f85',
  'good-tint': '#17302a',
  'warn-tint': '#33291a',
  'bad-tint': '#3a2021',
}

const variables = (colours: typeof LIGHT) =>
  Object.entries(colours)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';')

/** Light by default, dark where the system asks for it, either where the reader chose; always light on paper. */
export const PALETTE_CSS = `:root{color-scheme:light;${variables(LIGHT)}}
@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light]){color-scheme:dark;${variables(DARK)}}}
@media screen{:root[data-theme=dark]{color-scheme:dark;${variables(DARK)}}}`
