/**
 * The page at /docs: models, columns, routes with requests to copy, and a form that asks a model. One HTML text that
 * loads nothing; all names go through `markup`, so none becomes markup, and only the script below runs.
 */
import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { type Content, markup, type Markup, trusted, visible } from '../core/html.js'
import { PALETTE_CSS } from '../core/palette.js'
import { type Described, openApi, type OpenApiDocument, type Operation } from './openapi.js'
import type { ServedModel } from './served-model.js'

const STYLE = `${PALETTE_CSS}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;overflow-wrap:anywhere}
code,pre,textarea{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
.wrap{max-width:980px;margin:0 auto;padding:0 24px 40px}
.bar{border-bottom:1px solid var(--line);background:var(--surface)}
.bar .wrap{display:flex;flex-wrap:wrap;align-items:center;gap:8px 20px;padding:10px 24px}
.bar strong{flex:1}
a{color:var(--link)}
h1{font-size:28px;line-height:1.2;margin:32px 0 6px}
h2{font-size:21px;line-height:1.3;margin:0 0 4px}
h3{font-size:15px;margin:22px 0 6px}
p{margin:0 0 10px}
section{border-top:1px solid var(--line);margin-top:28px;padding-top:24px}
.muted,th,label{color:var(--muted)}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:6px 16px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:560;font-size:13px}
.scroll{overflow-x:auto}
pre{margin:4px 0 12px;padding:10px 12px;background:var(--surface);border:1px solid var(--line);border-radius:8px;white-space:pre-wrap}
details{margin:8px 0}summary{cursor:pointer}
input,textarea{color:var(--ink);background:var(--paper);border:1px solid var(--axis);border-radius:6px;padding:6px 8px}
input{font:inherit}
textarea{display:block;width:100%;margin:4px 0 8px;resize:vertical}
button{font:inherit;color:var(--ink);background:var(--surface);border:1px solid var(--axis);border-radius:6px;padding:4px 14px;cursor:pointer}
:focus-visible{outline:2px solid var(--mark-1);outline-offset:2px}
[hidden]{display:none}
pre.bad{border-color:var(--bad);color:var(--bad)}
@media (max-width:640px){.wrap{padding:0 16px 32px}.bar .wrap{padding:10px 16px}}`

/** Only talks to the server that sent the page. The token stays in the field: nothing is stored. */
const SCRIPT = `(()=>{const d=document,token=()=>{const t=d.getElementById('token');return t&&t.value?{authorization:'Bearer '+t.value}:{}};
const show=(o,text,bad)=>{o.hidden=false;o.textContent=text;o.className=bad?'bad':''};
const pretty=t=>{try{return JSON.stringify(JSON.parse(t),null,2)}catch{return t}};
d.addEventListener('submit',async e=>{e.preventDefault();const f=e.target,o=f.id==='access'?d.getElementById('said'):f.querySelector('pre');
try{if(f.id==='access'){const a=await fetch('docs',{headers:{accept:'text/html',...token()}});if(!a.ok)return show(o,a.status===401?'The server does not take this token.':'The server answered '+a.status+'.',true);
const p=new DOMParser().parseFromString(await a.text(),'text/html');d.querySelector('main').replaceWith(d.adoptNode(p.querySelector('main')))}
else{const a=await fetch(f.dataset.url,{method:'POST',headers:{'content-type':'application/json',...token()},body:f.elements.rows.value});show(o,a.status+'\\n'+pretty(await a.text()),!a.ok)}}
catch(x){show(o,'The server cannot be reached: '+x.message,true)}})})();`

const sha = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
const POLICY = [
  `default-src 'none'; style-src ${sha(STYLE)}; script-src ${sha(SCRIPT)}; connect-src 'self'; img-src data:`,
  `base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
].join('; ')

/** Sends a page of this file, whatever its status. */
export function sendPage(reply: FastifyReply, html: string): FastifyReply {
  return reply
    .headers({
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    })
    .type('text/html; charset=utf-8')
    .send(html)
}

/** The page of a server with a token for who has not shown it: asks for it and tells nothing of the models. */
export function lockedPage(): string {
  const body = markup`<h1>Predictions</h1>
<p>This server needs its token. Enter it above; this page sends it to this server only and keeps it nowhere.</p>
<pre id="said" hidden></pre>`
  return page(true, body)
}

/** @param base where the server is reached, for the lines to copy: `http://host:port` */
export function docsPage(described: Described, base: string): string {
  const { models, version, guarded } = described
  const document = openApi(described)
  const curl = (path: string, { requestBody, parameters = [] }: Operation): readonly Markup[] => {
    const url = parameters.reduce(
      (at, { name, example }) => at.replace(`{${name}}`, encodeURIComponent(example ?? '')),
      path,
    )
    const examples = Object.values(requestBody?.content['application/json'].examples ?? {})
    return examples.map(
      ({ summary, value }) => markup`<p class="muted">${summary}</p>
<pre class="curl">${curlLine(`${base}${url}`, jsonText(value), guarded)}</pre>`,
    )
  }
  const sections = models.names.flatMap((name, i) => {
    const main = models.get(name)
    if (!main) return []
    const routes = routesOf(document, name)
    const asked = routes.find(({ path }) => /^\/predictions\/[^/]+$/.test(path)) ?? routes.find(({ post }) => post)
    return markup`<section aria-labelledby="model-${i}">
<h2 id="model-${i}"><bdi>${name}</bdi></h2>
${about(main, models.versions(name))}
${asked?.post && form(asked.path, asked.post, i)}
<h3>Requests</h3>
${routes.map(({ path, post }) => post && markup`<details><summary><code>POST ${path}</code> <span class="muted">${post.summary}</span></summary>${curl(path, post)}</details>`)}
${routeTable(routes.filter(({ post }) => !post))}
</section>`
  })
  return page(
    guarded,
    markup`<h1>Predictions</h1>
<p class="muted">Millrace ${version}. For programs the same is in <a href="openapi.json">openapi.json</a>${guarded && ' (with the token)'}.</p>
${guarded && markup`<pre id="said" hidden></pre>`}
${sections}
<section aria-labelledby="server"><h2 id="server">Server</h2>${routeTable(routesOf(document, undefined))}</section>`,
  )
}

interface Listed {
  readonly path: string
  readonly get?: Operation
  readonly post?: Operation
}

/** A model's routes, or the server's own. */
function routesOf(document: OpenApiDocument, name: string | undefined): readonly Listed[] {
  return Object.entries(document.paths)
    .map(([path, operations]) => ({ path, ...operations }))
    .filter(({ get, post }) => (get ?? post)?.['x-model'] === name)
}

function about({ metadata, version }: ServedModel, versions: readonly string[]): Content {
  const { task, inputs, windows = [] } = metadata
  const others = versions.filter((other) => other !== version)
  const answer =
    task.kind === 'regression' ? 'a number' : `one of ${task.classes.map((c) => JSON.stringify(c)).join(', ')}`
  const rows = inputs.map(({ name, type }) => {
    const window = windows.find((found) => found.name === name)
    return markup`<tr><td><bdi>${name}</bdi></td><td>${type}</td><td>${window?.inWords}</td></tr>`
  })
  return markup`<p>Version ${version} answers${others.length > 0 && `; also loaded: ${others.join(', ')}`}. It predicts <bdi>${metadata.label}</bdi>: ${answer}.</p>
<h3>Columns</h3>
<p class="muted">Every row holds all of them; <code>null</code> is a missing value.</p>
<div class="scroll"><table><thead><tr><th>Column</th><th>Type</th><th>Made of</th></tr></thead><tbody>${rows}</tbody></table></div>`
}

function form(path: string, { requestBody }: Operation, i: number): Markup {
  const [example] = Object.values(requestBody?.content['application/json'].examples ?? {})
  const text = jsonText(example?.value, 2)
  const lines = Math.min(24, text.split('\n').length)
  // relative, for servers behind a path of a proxy
  return markup`<h3>Try it</h3>
<form data-url="${path.slice(1)}"><label for="rows-${i}">A row, or a list of rows, as JSON</label>
<textarea id="rows-${i}" name="rows" rows="${lines}" spellcheck="false" autocomplete="off">
${text}</textarea><button>Predict</button><pre hidden aria-live="polite"></pre></form>`
}

function routeTable(routes: readonly Listed[]): Markup {
  const rows = routes.map(({ path, get }) => markup`<tr><td><code>GET ${path}</code></td><td>${get?.summary}</td></tr>`)
  return markup`<div class="scroll"><table><tbody>${rows}</tbody></table></div>`
}

/** JSON that means the same, in which nothing hides or turns the text around it, as `visible` would have to show it. */
function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(/[^\n\x20-\x7e]/g, (c) =>
    /\p{Surrogate}/u.test(c) || visible(c) === c ? c : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** A line for a POSIX shell: in single quotes nothing but a single quote means anything. */
function curlLine(url: string, body: string, guarded: boolean): string {
  const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
  const token = guarded ? ' -H "Authorization: Bearer $TOKEN"' : ''
  return `curl -s ${quote(url)} -H 'content-type: application/json'${token} -d ${quote(body)}`
}

function page(guarded: boolean, body: Content): string {
  const access = markup`<form id="access"><label>Token <input id="token" type="password" autocomplete="off" required></label> <button>Open</button></form>`
  // style and script stand exactly as they were hashed: no white space around them
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<link rel="icon" href="data:,">
<title>Predictions</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<div class="bar"><div class="wrap"><strong>Millrace</strong>${guarded && access}</div></div>
<main class="wrap">
${body}
</main>
<script>${trusted(SCRIPT)}</script>
</body>
</html>
`.toString()
}
