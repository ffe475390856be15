/** Numbers, times and sizes as text: the same on every machine, whatever its locale; never NaN. */

const NONE = '–'

/** Whole numbers with thousands separators: 12,345. */
export function count(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NONE
  const rounded = Math.round(value)
  return (rounded < 0 ? '−' : '') + String(Math.abs(rounded)).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** `digits` places after the point, true minus sign, no negative zero. */
export function fixed(value: number | undefined, digits: number): string {
  if (value === undefined || !Number.isFinite(value)) return NONE
  if (Math.abs(value) >= 1e15) return exponent(value, 3)
  const [whole = '0', fraction] = Math.abs(value).toFixed(digits).split('.')
  const negative = value < 0 && (Number(whole) !== 0 || Number(fraction ?? 0) !== 0)
  return `${negative ? '−' : ''}${whole.replace(/\B(?=(\d{3})+$)/g, ',')}${fraction === undefined ? '' : `.${fraction}`}`
}

/** About `significant` digits, without trailing zeros: 0.8421, 1,234.5, 2.3e-7. */
export function number(value: number | undefined, significant = 4): string {
  if (value === undefined || !Number.isFinite(value)) return NONE
  if (value === 0) return '0'
  const size = Math.floor(Math.log10(Math.abs(value)))
  if (size < -4 || size >= 12) return exponent(value, significant)
  if (Number.isInteger(value)) return count(value)
  const text = fixed(value, Math.min(12, Math.max(0, significant - 1 - size)))
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

function exponent(value: number, significant: number): string {
  const [mantissa = '0', power = '0'] = Math.abs(value)
    .toExponential(significant - 1)
    .split('e')
  const short = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa
  return `${value < 0 ? '−' : ''}${short}e${power.replace('+', '')}`
}

/** A score: three places where it is of the order of 1, so that 0.86 and 0.861 line up; four digits otherwise. */
export function score(value: number | undefined): string {
  return value !== undefined && Math.abs(value) < 10 && (Math.abs(value) >= 0.001 || value === 0)
    ? fixed(value, 3)
    : number(value)
}

/** A fraction as a percentage; says "<0.1%" rather than 0 for what is there. */
export function percent(value: number | undefined, digits = 1): string {
  if (value === undefined || !Number.isFinite(value)) return NONE
  const least = 10 ** -digits
  if (value > 0 && value * 100 < least / 2) return `<${least.toFixed(digits)}%`
  if (value < 1 && value * 100 > 100 - least / 2) return `>${(100 - least).toFixed(digits)}%`
  return `${fixed(value * 100, value === 0 || value === 1 ? 0 : digits)}%`
}

/** Seconds for people: 320 ms, 4.2 s, 3 min 05 s, 2 h 10 min. */
export function duration(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds) || seconds < 0) return NONE
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  if (seconds < 59.5) return `${Math.round(seconds)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`
  const minutes = Math.round(whole / 60)
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}

/** Bytes in powers of 1000: 61.4 kB. */
export function bytes(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NONE
  let size = value
  let unit = 0
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000
    unit++
  }
  return `${number(size, 3)} ${units[unit] ?? ''}`
}

/** A moment in UTC: 2026-11-24 11:39 UTC. */
export function moment(iso: string): string {
  const date = new Date(iso)
  return Number.isNaN(date.getTime()) ? iso : `${date.toISOString().slice(0, 16).replace('T', ' ')}\u00a0UTC`
}

/** A moment in UTC to the second, without a zone: 2026-11-24 11:39:02. */
export function timestamp(at: Date | number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ')
}

/** Microseconds since 1970 as a date, with the time if it is not midnight. */
export function microseconds(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value) || Math.abs(value) > 8.64e18) return NONE
  const text = new Date(value / 1000).toISOString()
  return text.endsWith('T00:00:00.000Z') ? text.slice(0, -14) : text.slice(0, -8).replace('T', ' ')
}
