// After a change of package-lock.json: adds the optional packages of other systems that npm left out, so that `npm ci`
// accepts the lock on every one of them, and removes the addresses of the registry used.
//   node scripts/complete-lock.mjs [--check] [FILE]     --check: only says what is wrong, and asks no registry
//
// npm writes only the optional packages that the registry at hand has; a mirror may lack some, and a lock without them
// is refused elsewhere ("Missing: ... from lock file"). An entry needs a version and what it runs on; integrity where
// the registry knows it. An address is not needed: npm asks the registry it is set to.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where in `packages` Node would find `name` asked for by the package at `from`; undefined: nowhere. */
function find(packages, from, name) {
  for (let folder = from; ;) {
    const place = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`
    if (packages[place] !== undefined) return place
    if (folder === '') return undefined
    const up = folder.lastIndexOf('/node_modules/')
    folder = up < 0 ? '' : folder.slice(0, up)
  }
}

/** Dependencies that a lock names and does not hold: [{ name, range, by }]. */
function missing(lock, kind) {
  return Object.entries(lock.packages).flatMap(([by, entry]) =>
    Object.entries(entry[kind] ?? {})
      .filter(([name]) => find(lock.packages, by, name) === undefined)
      .map(([name, range]) => ({ name, range, by })),
  )
}

/** Entries that name an address other than npm's own registry. */
function foreign(lock) {
  return Object.entries(lock.packages).filter(
    ([, { resolved }]) => resolved !== undefined && !resolved.startsWith('https://registry.npmjs.org/'),
  )
}

/** What the package's name says it runs on: the last resort where the registry does not know it. */
function platformOf(name) {
  const words = name.split(/[/-]/)
  const os = words.find((word) => ['linux', 'darwin', 'win32', 'android', 'freebsd'].includes(word))
  const cpu = words.find((word) =>
    ['x64', 'arm64', 'arm', 'ia32', 'riscv64', 'ppc64', 's390x', 'wasm32'].includes(word),
  )
  const libc = name.includes('musl') ? 'musl' : /-gnu/.test(name) ? 'glibc' : undefined
  return { ...(os && { os: [os] }), ...(cpu && { cpu: [cpu] }), ...(libc && os === 'linux' && { libc: [libc] }) }
}

/** The registry's own words about a package; undefined if it has none. */
function view(name, range) {
  try {
    // On Windows npm is a .cmd file, which needs the shell; name and range come from the lock.
    const text = execFileSync('npm', ['view', `${name}@${range}`, '--json'], {
      encoding: 'utf8',
      shell: process.platform === 'win32',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return [JSON.parse(text)].flat().at(-1)
  } catch {
    return undefined
  }
}

function entryOf({ name, range, by }, lock) {
  const found = view(name, range)
  const version = found?.version ?? /^[\^~]?(\d[^\s|]*)$/.exec(range)?.[1]
  if (version === undefined)
    throw new Error(`${name}@${range}, wanted by ${by}: not in the registry, and no one version`)
  const { os, cpu, libc } = found?.os || found?.cpu ? found : platformOf(name)
  return {
    version,
    ...(found?.dist?.integrity && { integrity: found.dist.integrity }),
    ...(cpu && { cpu: [cpu].flat() }),
    ...(lock.packages[by].dev && { dev: true }),
    ...(libc && { libc: [libc].flat() }),
    ...(found?.license && { license: found.license }),
    optional: true,
    ...(os && { os: [os].flat() }),
    ...(found?.dependencies && { dependencies: found.dependencies }),
    ...(found?.engines && { engines: found.engines }),
  }
}

const args = process.argv.slice(2)
const file = args.find((arg) => arg !== '--check') ?? fileURLToPath(new URL('../package-lock.json', import.meta.url))
const lock = JSON.parse(readFileSync(file, 'utf8'))
const [absent, elsewhere] = [missing(lock, 'optionalDependencies'), foreign(lock)]
// A plain dependency can't be made up here: npm itself has to resolve it.
const broken = missing(lock, 'dependencies')
for (const { name, range, by } of broken) console.error(`missing, run npm install: ${name}@${range}, wanted by ${by}`)

if (args.includes('--check')) {
  for (const { name, range, by } of absent) console.error(`missing: ${name}@${range}, wanted by ${by}`)
  for (const [place, { resolved }] of elsewhere)
    console.error(`another registry: ${place} from ${new URL(resolved).host}`)
} else {
  for (const wanted of absent) lock.packages[`node_modules/${wanted.name}`] = entryOf(wanted, lock)
  for (const [, entry] of elsewhere) delete entry.resolved
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'))
  if (absent.length + elsewhere.length > 0)
    writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`)
  for (const { name, range } of absent) console.log(`added ${name}@${range}`)
  console.log(`${absent.length} packages added, ${elsewhere.length} addresses of other registries removed`)
}
const wrong = broken.length + (args.includes('--check') ? absent.length + elsewhere.length : 0)
process.exitCode = wrong > 0 ? 1 : 0
