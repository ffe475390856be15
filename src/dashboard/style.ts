/** The style sheet of every page, and the script: theme switch, table sorting, copy buttons. Nothing else is scripted. */
import { CHART_CSS } from './charts/svg.js'
import { PALETTE_CSS } from '../core/palette.js'

export const STYLE = `${PALETTE_CSS}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-padding-top:64px}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
a{color:var(--link)}
code,pre,.mono{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
.wrap{max-width:1140px;margin:0 auto;padding:0 24px}
.skip{position:absolute;left:-999px}.skip:focus{left:8px;top:8px;z-index:3;background:var(--paper);padding:8px}
.bar{position:sticky;top:0;z-index:2;background:var(--paper);border-bottom:1px solid var(--line)}
.bar .wrap{display:flex;align-items:center;gap:18px;height:48px}
.bar strong{white-space:nowrap;max-width:220px;overflow:hidden;text-overflow:ellipsis}
.bar nav{flex:1;min-width:0;overflow-x:auto;white-space:nowrap;scrollbar-width:none;display:flex;gap:2px;mask-image:linear-gradient(90deg,#000 calc(100% - 24px),transparent)}
.bar nav a{color:var(--muted);text-decoration:none;font-size:14px;padding:4px 9px;border-radius:6px}
.bar nav a:hover,.bar nav a:focus-visible{color:var(--ink);background:var(--surface)}
button{font:inherit;font-size:13px;color:var(--ink);background:var(--surface);border:1px solid var(--line);border-radius:6px;padding:4px 10px;cursor:pointer}
button:hover{border-color:var(--axis)}
:focus-visible{outline:2px solid var(--mark-1);outline-offset:2px}
[hidden]{display:none!important}
header{padding:44px 0 8px}
.eyebrow{color:var(--muted);font-size:14px;margin:0 0 6px}
h1{font-size:34px;line-height:1.2;letter-spacing:-.02em;margin:0 0 6px;font-weight:680}
h2{font-size:22px;line-height:1.3;letter-spacing:-.01em;margin:0 0 4px;font-weight:650}
h3{font-size:15px;margin:0 0 8px;font-weight:620}
p{margin:0 0 12px}
.lead{color:var(--muted);max-width:74ch}
.muted{color:var(--muted)}.small{font-size:13px}
section{padding:36px 0 8px;margin-top:28px;border-top:1px solid var(--line)}
.verdict{border-left:4px solid var(--axis);background:var(--surface);border-radius:0 10px 10px 0;padding:16px 20px;margin:22px 0}
.verdict p:last-child{margin:0}
.verdict .word{font-size:19px;font-weight:640;letter-spacing:-.01em;margin:0 0 4px}
.verdict.good{border-color:var(--good);background:var(--good-tint)}.verdict.good .word{color:var(--good)}
.verdict.warn{border-color:var(--warn);background:var(--warn-tint)}.verdict.warn .word{color:var(--warn)}
.verdict.bad{border-color:var(--bad);background:var(--bad-tint)}.verdict.bad .word{color:var(--bad)}
.verdict .muted{color:var(--ink)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,220px),1fr));gap:28px;margin:26px 0 22px}
.figure .name{color:var(--muted);font-size:14px}
.figure .big{font-size:40px;line-height:1.15;font-weight:640;letter-spacing:-.025em}
.figure .more{color:var(--muted);font-size:13px}
dl.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,148px),1fr));gap:14px 20px;margin:18px 0}
dl.facts dt{color:var(--muted);font-size:13px}dl.facts dd{margin:0;font-size:14px}
dl.pairs{display:grid;grid-template-columns:minmax(90px,max-content) 1fr;gap:4px 20px;margin:0 0 16px}
dl.pairs dt{color:var(--muted)}dl.pairs dd{margin:0}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,310px),1fr));gap:34px 40px;margin:22px 0;align-items:start}
.grid>*{min-width:0}
figure{margin:0;max-width:440px}
figure.full{max-width:none;margin:22px 0}figure+figure{margin-top:22px}.grid>figure+figure{margin-top:0}
figcaption{font-weight:620;margin:0 0 2px}
figcaption small{display:block;font-weight:400;color:var(--muted);font-size:13px;min-height:1.55em;margin-bottom:8px}
.scroll{overflow-x:auto;margin:16px 0;padding-bottom:2px;background:linear-gradient(90deg,var(--paper) 30%,transparent) 0 0/26px 100% no-repeat local,linear-gradient(270deg,var(--paper) 30%,transparent) 100% 0/26px 100% no-repeat local,linear-gradient(90deg,var(--line),transparent) 0 0/12px 100% no-repeat,linear-gradient(270deg,var(--line),transparent) 100% 0/12px 100% no-repeat}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:8px 18px 8px 0;border-bottom:1px solid var(--line);vertical-align:middle}
th:last-child,td:last-child{padding-right:0}
th{font-size:13px;font-weight:560;color:var(--muted);white-space:nowrap;vertical-align:bottom}
th button{all:unset;cursor:pointer}th button:focus-visible{outline:2px solid var(--mark-1);outline-offset:2px}
th[aria-sort=ascending] button::after{content:" \\2191"}th[aria-sort=descending] button::after{content:" \\2193"}
td.n,th.n{text-align:right;white-space:nowrap}
th.n+th:not(.n),td.n+td:not(.n){padding-left:14px}
td.keep,code.keep{white-space:nowrap}
td{overflow-wrap:break-word}td.name{min-width:130px;max-width:260px;font-weight:520}
td.text{min-width:180px;max-width:420px}
td ul{margin:0;padding:0;list-style:none}
.scroll.tall{max-height:560px;overflow:auto}
.notes{color:var(--muted);font-size:13px;margin:-4px 0 0;padding:0;list-style:none}
.tag{display:inline-block;font-size:12px;line-height:1.5;padding:1px 8px;border-radius:99px;background:var(--surface);color:var(--muted);border:1px solid var(--line);white-space:nowrap}
.tag.good{color:var(--good);background:var(--good-tint);border-color:transparent}
.tag.warn{color:var(--warn);background:var(--warn-tint);border-color:transparent}
.tag.bad{color:var(--bad);background:var(--bad-tint);border-color:transparent}
pre{margin:0 0 14px;padding:12px 14px;background:var(--surface);border:1px solid var(--line);border-radius:8px;overflow-x:auto;white-space:pre;overflow-wrap:normal}
pre.wrapped{white-space:pre-wrap;overflow-wrap:anywhere}
.command{position:relative}.command button{position:absolute;right:7px;top:7px}
.command pre{padding-right:70px}
details{margin:14px 0}summary{cursor:pointer;font-weight:560}details[open] summary{margin-bottom:10px}
.digest{word-break:break-all}
ol.chain{list-style:none;margin:14px 0;padding:0;border-left:2px solid var(--line)}
ol.chain li{padding:0 0 14px 18px;position:relative}
ol.chain li::before{content:"";position:absolute;left:-6px;top:7px;width:10px;height:10px;border-radius:50%;background:var(--mark-1)}
footer{color:var(--muted);font-size:13px;padding:36px 0 48px}
@media (max-width:640px){.wrap{padding:0 16px}h1{font-size:27px}header{padding-top:28px}.bar .wrap{gap:10px}.bar strong{max-width:96px}section{padding-top:28px}.figure .big{font-size:34px}.figures{gap:18px}figure{max-width:none}dl.facts{grid-template-columns:1fr 1fr}}
@media print{.bar{position:static}.bar nav,button{display:none}body{font-size:11pt}section,figure,tr,.verdict{break-inside:avoid}section{break-inside:auto;padding-top:16px}.scroll{overflow:visible}pre{white-space:pre-wrap}a{color:inherit}}
${CHART_CSS}`

export const SCRIPT = `(()=>{const d=document,r=d.documentElement,k='millrace-theme',b=d.getElementById('theme'),m=matchMedia('(prefers-color-scheme:dark)');
const dark=()=>(r.dataset.theme||(m.matches?'dark':'light'))==='dark',show=()=>{b.textContent=dark()?'Light':'Dark';b.setAttribute('aria-label','Switch to the '+(dark()?'light':'dark')+' theme')};
try{const t=localStorage.getItem(k);if(t==='dark'||t==='light')r.dataset.theme=t}catch{}
b.hidden=false;show();m.addEventListener('change',show);
b.addEventListener('click',()=>{r.dataset.theme=dark()?'light':'dark';try{localStorage.setItem(k,r.dataset.theme)}catch{}show()});
for(const p of d.querySelectorAll('.command button')){p.hidden=false;p.addEventListener('click',()=>{navigator.clipboard.writeText(p.parentNode.querySelector('pre').textContent).then(()=>{p.textContent='Copied';setTimeout(()=>{p.textContent='Copy'},1500)},()=>{getSelection().selectAllChildren(p.parentNode.querySelector('pre'))})})}
for(const t of d.querySelectorAll('table.sortable'))t.querySelectorAll('thead th').forEach((h,i)=>{if(h.dataset.fixed!==undefined||!h.textContent)return;const q=d.createElement('button');q.type='button';q.append(...h.childNodes);h.append(q);q.addEventListener('click',()=>{const up=h.getAttribute('aria-sort')!=='ascending';t.querySelectorAll('th').forEach(o=>o.removeAttribute('aria-sort'));h.setAttribute('aria-sort',up?'ascending':'descending');const v=o=>{const c=o.cells[i],x=c.dataset.value;return x===undefined?c.textContent.trim():+x};const body=t.tBodies[0];body.append(...[...body.rows].sort((a,c)=>{const x=v(a),y=v(c),s=typeof x==='number'&&typeof y==='number'?x-y:String(x)<String(y)?-1:String(x)>String(y)?1:0;return up?s:-s}))})})})();`
