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

/** An address as eight groups of 16 bits, IPv4 as `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2). */
type Groups = readonly number[]

/**
 * An address known from a runtime or a header, in canonical form.
 *
 * @param text one IP address; a zone (`%eth0`) is dropped
 */
export function makeAddress(text: string | null | undefined, source: Exclude<AddressSource, 'unknown'>): Address {
  // What most peers are is canonical as it stands.
  if (text && CANONICAL_IPV4.test(text)) return { ip: text, source }
  const groups = text ? parseIp(text.split('%', 1)[0]!) : null
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
  const v4 = parseIpv4(text)
  return v4 ? [0, 0, 0, 0, 0, 0xffff, ...v4] : parseIpv6(text)
}

/** The IPv4 client that NAT64 carries (RFC 6052): one client, one bucket, but never one trust. */
function foldNat64(v6: Groups): Groups {
  const nat64 = v6[0] === 0x64 && v6[1] === 0xff9b && v6.slice(2, 6).every((group) => group === 0)
  return nat64 ? [0, 0, 0, 0, 0, 0xffff, v6[6]!, v6[7]!] : v6
}

function parseIpv4(text: string): [number, number] | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (!match) return null
  const octets = match.slice(1).map(Number)
  if (octets.some((octet, i) => octet > 255 || String(octet) !== match[i + 1])) return null
  return [octets[0]! * 256 + octets[1]!, octets[2]! * 256 + octets[3]!]
}

function parseIpv6(text: string): Groups | null {
  if (text.length > 45 || !text.includes(':')) return null
  const halves = text.split('::')
  if (halves.length > 2) return null
  const head = parseGroups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : []
  if (!head || !tail) return null
  const gap = 8 - head.length - tail.length
  if (halves.length === 1 ? gap !== 0 : gap < 1) return null
  return [...head, ...new Array<number>(gap).fill(0), ...tail]
}

function parseGroups(text: string, mayEndInV4: boolean): number[] | null {
  if (text === '') return []
  const out: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    const v4 = mayEndInV4 && i === parts.length - 1 ? parseIpv4(part) : null
    if (v4) out.push(...v4)
    else if (/^[0-9a-f]{1,4}$/i.test(part)) out.push(Number.parseInt(part, 16))
    else return null
  }
  return out
}

function isV4(groups: Groups): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)
}

/** Canonical text: IPv4 dotted, IPv6 as RFC 5952 writes it. */
function formatIp(groups: Groups): string {
  if (isV4(groups)) return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join('.')
  let best = { at: -1, length: 1 }
  for (let at = 0; at < 8; at++) {
    let length = 0
    while (at + length < 8 && groups[at + length] === 0) length++
    if (length > best.length) best = { at, length }
  }
  const hex = (part: Groups): string => part.map((group) => group.toString(16)).join(':')
  if (best.at < 0) return hex(groups)
  return `${hex(groups.slice(0, best.at))}::${hex(groups.slice(best.at + best.length))}`
}
