/**
 * Who the client is on the network: one answer, with its provenance. Only canonical address texts are understood:
 * `127.1`, `0x7f.0.0.1` or `01.2.3.4` are no addresses here.
 */

/** Where an address is known from. Only a `socket` peer can be loopback; a `proxy` one was named by a declared proxy. */
export type AddressSource = 'socket' | 'platform' | 'proxy' | 'unknown'

/** Where a request came from. `ip` is canonical text, IPv4-mapped forms folded to IPv4; null when unknown. */
export interface Address {
  readonly ip: string | null
  readonly source: AddressSource
}

/** Proxies whose forwarding header is believed, because the socket peer (and each hop from the right) is one of them. */
export interface TrustedProxies {
  /** Addresses or CIDR ranges of the proxies, such as `10.0.0.0/8`. */
  readonly networks: readonly string[]
  /** The one header that they write. Others are ignored. */
  readonly header: 'x-forwarded-for' | 'forwarded'
}

/** The address of nobody in particular: all such clients share one bucket. */
export const UNKNOWN_ADDRESS: Address = { ip: null, source: 'unknown' }

const MAX_HOPS = 32
const CANONICAL_IPV4 = /^(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/
/** What an IPv4 peer is to a socket that takes both. */
const MAPPED = '::ffff:'
const MAX_IPV6_LENGTH = 45
const COLON = 58
const DOT = 46

/** An address as eight groups of 16 bits, IPv4 as `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2). */
type Groups = readonly number[]

/**
 * An address known from a runtime or a header, in canonical form.
 *
 * @param text one IP address; a zone (`%eth0`) is dropped
 */
export function makeAddress(text: string | null | undefined, source: Exclude<AddressSource, 'unknown'>): Address {
  if (!text) return UNKNOWN_ADDRESS
  // What most peers are is canonical as it stands.
  const v4 = text.startsWith(MAPPED) ? text.slice(MAPPED.length) : text
  if (CANONICAL_IPV4.test(v4)) return { ip: v4, source }
  const groups = parseIp(text.split('%', 1)[0]!)
  return groups ? { ip: formatIp(groups), source } : UNKNOWN_ADDRESS
}

/** Whether the socket peer is 127.0.0.0/8 or ::1. False for every other source, an unknown peer among them. */
export function isLoopback(address: Address): boolean {
  return address.source === 'socket' && (address.ip === '::1' || address.ip?.startsWith('127.') === true)
}

/**
 * What limits count a client by: an IPv4 address (also where NAT64 carries it), an IPv6 prefix (a household has a /64 of
 * its own to rotate through), or `unknown`.
 *
 * @param ipv6Prefix bits of an IPv6 address that count, 64 unless told
 */
export function addressBucket(address: Address, ipv6Prefix = 64): string {
  const { ip } = address
  if (ip === null) return 'unknown'
  if (!ip.includes(':')) return ip
  const groups = foldNat64(parseIp(ip)!)
  return isV4(groups) ? formatIp(groups) : `${formatIp(mask(groups, ipv6Prefix))}/${ipv6Prefix}`
}

/**
 * A test for membership in addresses and CIDR ranges, IPv4 and IPv6. An IPv4 range never holds an IPv6 address.
 *
 * @throws {RangeError} for a text that is no address or range, such as `10.0.0.0/33` or `127.0.0.1/`.
 */
export function networkTest(networks: readonly string[]): (ip: string) => boolean {
  const ranges = networks.map(parseNetwork)
  return (ip) => {
    const groups = parseIp(ip)
    return groups !== null && ranges.some((range) => sameNetwork(groups, range))
  }
}

/**
 * Finds the client behind declared proxies: the header's hops from the right, while each is a trusted proxy itself. What
 * stands left of the first untrusted hop is the client's own claim and is never read.
 */
export function clientAddress(
  peer: Address,
  header: string | null,
  kind: TrustedProxies['header'],
  trusted: (ip: string) => boolean,
): Address {
  if (peer.ip === null || header === null || !trusted(peer.ip)) return peer
  const hops =
    kind === 'forwarded'
      ? splitUnquoted(header, ',').map(forwardedFor)
      : header
          .split(',')
          .reverse()
          .map((hop) => hop.trim())
  let client: Address = UNKNOWN_ADDRESS
  for (const hop of hops.slice(0, MAX_HOPS)) {
    client = makeAddress(nodeAddress(hop), 'proxy')
    if (client.ip === null || !trusted(client.ip)) return client
  }
  return hops.length > MAX_HOPS ? UNKNOWN_ADDRESS : client
}

/** The node of one `Forwarded` element (RFC 7239 section 4); null for an element without exactly one. */
function forwardedFor(element: string): string | null {
  const nodes = splitUnquoted(element, ';').flatMap((pair) => {
    const match = /^\s*for\s*=\s*(?:"([^"\\]*)"|([^\s";,]+))\s*$/i.exec(pair)
    return match ? [match[1] ?? match[2]!] : /^\s*for\s*=/i.test(pair) ? [''] : []
  })
  const [node] = nodes
  if (node === undefined || nodes.length > 1) return null
  // Section 6: an IPv6 address stands in brackets.
  return node.includes(':') && !/^(?:\[|[\d.]+:\d+$)/.test(node) ? null : node
}

/**
 * Splits at a separator that stands outside quoted strings (RFC 9110 section 5.6.4), the last part first. Read from the
 * right, where the trusted proxy wrote, a quote that a client left open hides nothing.
 */
function splitUnquoted(text: string, separator: string): string[] {
  const parts: string[] = []
  let end = text.length
  let quoted = false
  for (let i = text.length - 1; i >= 0; i--) {
    const char = text[i]
    if (char === '"' && !isEscaped(text, i)) quoted = !quoted
    else if (char === separator && !quoted) {
      parts.push(text.slice(i + 1, end))
      end = i
    }
  }
  parts.push(text.slice(0, end))
  return parts
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text[at - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}

/** An address as proxies write it: bare, or IPv4 with a port, or IPv6 in brackets with or without one. */
function nodeAddress(node: string | null): string | null {
  if (node === null) return null
  return /^\[([^\]]*)\](?::\d+)?$/.exec(node)?.[1] ?? /^([\d.]+):\d+$/.exec(node)?.[1] ?? node
}

interface Network {
  readonly groups: Groups
  readonly bits: number
}

function parseNetwork(text: string): Network {
  const [ip = '', length, ...more] = text.split('/')
  const groups = parseIp(ip)
  if (groups && more.length === 0) {
    const offset = ip.includes(':') ? 0 : 96
    const bits = length === undefined ? 128 : /^(?:0|[1-9]\d{0,2})$/.test(length) ? Number(length) + offset : Number.NaN
    if (bits <= 128) return { groups, bits }
  }
  throw new RangeError(
    `${JSON.stringify(text)} is no IP address or CIDR range; write for example "10.0.0.0/8" or "2001:db8::/32".`,
  )
}

function sameNetwork(groups: Groups, range: Network): boolean {
  // ::/0 and its like hold IPv6 alone: a rule about IPv6 must not open or close IPv4 by the way it is stored here.
  if (range.bits < 96 && isV4(groups)) return false
  const masked = mask(groups, range.bits)
  return mask(range.groups, range.bits).every((group, i) => group === masked[i])
}

function mask(groups: Groups, bits: number): Groups {
  return groups.map((group, i) => {
    const keep = Math.min(16, Math.max(0, bits - 16 * i))
    return group & (0xffff << (16 - keep)) & 0xffff
  })
}

function parseIp(text: string): Groups | null {
  if (text.includes(':')) return parseIpv6(text)
  const v4 = parseIpv4(text)
  return v4 && [0, 0, 0, 0, 0, 0xffff, ...v4]
}

/** The IPv4 client that NAT64 carries (RFC 6052): one client, one bucket, but never one trust. */
function foldNat64(v6: Groups): Groups {
  const nat64 = v6[0] === 0x64 && v6[1] === 0xff9b && areZero(v6, 2, 6)
  return nat64 ? [0, 0, 0, 0, 0, 0xffff, v6[6]!, v6[7]!] : v6
}

function parseIpv4(text: string): [number, number] | null {
  if (!CANONICAL_IPV4.test(text)) return null
  const [a, b, c, d] = text.split('.').map(Number)
  return [a! * 256 + b!, c! * 256 + d!]
}

/** Letter by letter: every request of an IPv6 client passes here, and once more for each quota that counts it. */
function parseIpv6(text: string): Groups | null {
  const end = text.length
  if (end > MAX_IPV6_LENGTH) return null
  const groups: number[] = []
  /** Where `::` stands, -1 for nowhere. */
  let gap = -1
  let i = 0
  if (text.startsWith('::')) {
    gap = 0
    i = 2
  }
  while (i < end) {
    const start = i
    let group = 0
    for (let digit = hexDigit(text, i); digit >= 0; digit = hexDigit(text, i)) {
      group = group * 16 + digit
      i++
    }
    if (i < end && text.charCodeAt(i) === DOT) {
      const v4 = parseIpv4(text.slice(start))
      if (v4 === null) return null
      groups.push(...v4)
      break
    }
    if (i === start || i - start > 4) return null
    groups.push(group)
    if (i === end) break
    if (text.charCodeAt(i) !== COLON || ++i === end) return null
    if (text.charCodeAt(i) !== COLON) continue
    if (gap >= 0) return null
    gap = groups.length
    i++
  }
  const missing = 8 - groups.length
  if (gap < 0) return missing === 0 ? groups : null
  if (missing < 1) return null
  for (let zeros = 0; zeros < missing; zeros++) groups.splice(gap, 0, 0)
  return groups
}

/** The hex digit at a place, -1 for what is none. */
function hexDigit(text: string, at: number): number {
  const unit = text.charCodeAt(at)
  if (unit >= 48 && unit <= 57) return unit - 48
  const letter = unit | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}

function isV4(groups: Groups): boolean {
  return groups[5] === 0xffff && areZero(groups, 0, 5)
}

function areZero(groups: Groups, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (groups[at] !== 0) return false
  return true
}

/** Canonical text: IPv4 dotted, IPv6 as RFC 5952 writes it. */
function formatIp(groups: Groups): string {
  if (isV4(groups)) return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join('.')
  // The first of the longest runs of zeros, where that is of two or more.
  let gap = -1
  let length = 1
  for (let at = 0; at < 8; at++) {
    const start = at
    while (groups[at] === 0) at++
    if (at - start <= length) continue
    gap = start
    length = at - start
  }
  let text = ''
  for (let at = 0; at < 8; at++) {
    if (at === gap) {
      text += '::'
      at += length - 1
    } else text += text === '' || text.endsWith(':') ? groups[at]!.toString(16) : `:${groups[at]!.toString(16)}`
  }
  return text
}
