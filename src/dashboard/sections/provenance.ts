/** Where it all came from: lineage, versions, digests, and the whole configuration. */
import { count } from '../format.js'
import { markup, type Content } from '../../core/html.js'
import { name, type Section } from '../page.js'
import type { RunPageData } from '../run-page-data.js'

export function provenanceSection(data: RunPageData): Section | undefined {
  const digests = Object.entries(data.digests)
  const versions = Object.entries(data.versions)
  if (digests.length === 0 && versions.length === 0 && !data.registration) return undefined
  const chain: Content[] = digests.map(
    ([what, digest]) => markup`<li>${name(what, 60)}<br/><code class="muted digest">${digest}</code></li>`,
  )
  if (data.registration)
    chain.push(
      markup`<li>
        <strong>${name(data.registration.name, 60)} version ${data.registration.version}</strong><br/><code class="muted digest">${data.registration.model.digest}</code>
      </li>`,
    )
  return {
    id: 'lineage',
    title: 'Lineage',
    lead: 'The same bytes in, the same versions and the same seed give the same bytes out.',
    body: markup`<div class="grid">
      ${
        chain.length > 0 &&
        markup`<div>
          <h3>From the source to the model</h3>
          <ol class="chain">
            ${chain}
          </ol>
        </div>`
      }
      ${
        versions.length > 0 &&
        markup`<div>
          <h3>Versions</h3>
          <dl class="pairs">
            ${versions.map(
              ([k, v]) =>
                markup`<dt>${name(k, 40)}</dt>
                  <dd>${name(v, 80)}</dd>`,
            )}
            <dt>seed</dt>
            <dd>${String(data.run.seed)}</dd>
          </dl>
        </div>`
      }
    </div>`,
  }
}

export function configurationSection(data: RunPageData): Section | undefined {
  if (data.config === undefined) return undefined
  const lines = data.config.split('\n').length
  return {
    id: 'configuration',
    title: 'Configuration',
    lead: 'As it was resolved: the file, the overrides of the command line, and every default.',
    body: markup`<details${lines <= 40 && markup` open`}><summary>${count(lines)} lines of YAML</summary><div class="command"><pre>${data.config}</pre><button type="button" hidden>Copy</button></div></details>`,
  }
}
