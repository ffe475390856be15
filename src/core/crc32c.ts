/** CRC-32C (Castagnoli; RFC 3720, appendix B.4): finds torn and flipped bytes in lines and blocks. */

const TABLE = new Uint32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  TABLE[byte] = crc
}

/** The checksum of `bytes[from, to)` as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let crc = -1
  for (let i = from; i < to; i++) crc = (TABLE[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8)
  return ~crc >>> 0
}
