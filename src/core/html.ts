/** HTML and SVG as values: what is put into a template is escaped unless it is markup already. */

/** Finished markup. Only `markup` and `trusted` make it, so a plain string can never become markup by accident. */
export class Markup {
  constructor(private readonly text: string) {}
  toString(): string {
    return this.text
  }
}

export type Content = Markup | string | number | false | null | undefined | readonly Content[]

/** Markup that the program wrote itself (style sheet, script). Never call it with text from outside. */
export function trusted(text: string): Markup {
  return new Markup(text)
}

/** Template tag: strings are escaped for text and for double-quoted attributes alike; arrays are joined. */
export function markup(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  let text = parts[0] ?? ''
  for (const [i, value] of values.entries()) text += render(value) + (parts[i + 1] ?? '')
  return new Markup(text)
}

function render(value: Content): string {
  if (value === false || value === null || value === undefined) return ''
  if (value instanceof Markup) return value.toString()
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '–'
  if (typeof value === 'string') return escape(value)
  return value.map(render).join('')
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Escapes markup and makes visible what could reorder or hide the text around it (controls, bidi overrides). */
export function escape(text: string): string {
  return visible(text).replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c)
}

/** Control characters, bidi overrides and lone surrogates written as `\u{…}`; line breaks and tabs stay. */
export function visible(text: string): string {
  return text
    .replace(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/g,
      (c) => `\\u{${c.charCodeAt(0).toString(16)}}`,
    )
    .replace(/\p{Surrogate}/gu, (c) => `\\u{${c.charCodeAt(0).toString(16)}}`)
}

/** At most `length` characters (never half an emoji), cut in the middle so that both ends of a name can be told. */
export function shorten(text: string, length: number): string {
  const characters = Array.from(visible(text.replace(/\s+/g, ' ')))
  if (characters.length <= length) return characters.join('')
  const tail = Math.floor((length - 1) / 3)
  return `${characters.slice(0, length - 1 - tail).join('')}…${tail > 0 ? characters.slice(-tail).join('') : ''}`
}
