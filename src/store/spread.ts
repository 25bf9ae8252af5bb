/**
 * A number from 0 to `count` - 1 that stands for a text, by FNV-1a. Anybody can find texts that share a number: only for what
 * does no more harm when they do.
 */
export function spread(text: string, count: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % count
}
