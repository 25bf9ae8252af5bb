/** An address of 7 to 39 characters, another for each number: half of them IPv4, half IPv6. */
export function address(i: number): string {
  // An odd factor permutes 32 bits.
  const bits = Math.imul(i, 0x9e3779b1) >>> 0
  if (i % 2 === 0) return ipv4(bits)
  const group = (n: number): string => (n & 0xffff).toString(16)
  const [high, low] = [group(bits >>> 16), group(bits)]
  return i % 4 === 1 ? `2001:db8:${high}:${low}::` : `2001:0db8:${high}:${low}:${high}:${low}:${high}:ffff`
}

function ipv4(bits: number): string {
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`
}
