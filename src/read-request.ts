import type { Context } from './layer.ts'

type Req = Context['req']
type Bytes = Uint8Array<ArrayBuffer>

/** What stands behind `c.req` once its body was read. */
interface ReadBody {
  /** As it came; its body is used up. */
  readonly original: Request
  readonly bytes: Bytes
  text: Promise<string> | null
  arrayBuffer: Promise<ArrayBuffer> | null
  /** Hono's own prototype of `c.req`. */
  readonly base: object
  /** What `c.req.raw` is: made when somebody asks for it. */
  raw: Request | null
}

const BODY = Symbol('body')

/** Hono's request; with {@link BODY} one whose body was read. */
type AnyRequest = Req & { [BODY]?: ReadBody | undefined }
type ReadRequest = Req & { [BODY]: ReadBody }

const decoder = new TextDecoder()

/**
 * Leaves a request with the bytes that were read of it: what is asked of `c.req` is answered from them, and `c.req.raw` is a
 * request whose body is unread, made when somebody asks for it. To make one costs as much as Hono's whole way to a handler,
 * and few handlers ask.
 */
export function giveBody(c: Context, bytes: Bytes): void {
  const req: AnyRequest = c.req
  const original = req.raw
  const base = req[BODY]?.base ?? (Object.getPrototypeOf(req) as object)
  req[BODY] = { original, bytes, base, raw: null, text: null, arrayBuffer: null }
  req.bodyCache = {}
  Object.defineProperty(req, 'raw', RAW)
  Object.setPrototypeOf(req, answeringFromBody(base))
}

// One for all requests: an engine makes a kind of object of its own for every accessor that it has not seen.
const RAW: PropertyDescriptor & ThisType<ReadRequest> = {
  configurable: true,
  enumerable: true,
  get() {
    const body = this[BODY]
    body.raw ??= new Request(body.original, { body: body.bytes })
    return body.raw
  },
  set(other: Request) {
    // What an app puts there is read as if nothing had been read.
    Object.setPrototypeOf(this, this[BODY].base)
    Object.assign(this, { [BODY]: undefined, bodyCache: {} })
    Object.defineProperty(this, 'raw', { configurable: true, enumerable: true, writable: true, value: other })
  },
}

function whole({ buffer, byteOffset, byteLength }: Bytes): ArrayBuffer {
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)
}

/** The bytes that `c.req` answers from; null where none were read, or the app put others in their place. */
export function givenBody(c: Context): Bytes | null {
  const req: AnyRequest = c.req
  const body = req[BODY]
  return body !== undefined && isEmpty(req.bodyCache) ? body.bytes : null
}

/** What Hono's own verbs take from `raw`, which would make it: they are told from the original and the bytes. */
const ANSWERS: PropertyDescriptorMap & ThisType<ReadRequest> = Object.getOwnPropertyDescriptors({
  get url(): string {
    return headOf(this as unknown as ReadRequest).url
  },
  get method(): string {
    return headOf(this as unknown as ReadRequest).method
  },
  header(this: ReadRequest, name?: string): unknown {
    const { headers } = headOf(this)
    return name ? (headers.get(name) ?? undefined) : Object.assign(Object.create(null), Object.fromEntries(headers))
  },
  text(this: ReadRequest): Promise<string> {
    const body = this[BODY]
    const cached = this.bodyCache.text as unknown as Promise<string> | undefined
    if (cached) return cached
    if (!isEmpty(this.bodyCache)) return baseOf(this).text.call(this)
    body.text ??= Promise.resolve(decoder.decode(body.bytes))
    return body.text
  },
  json(this: ReadRequest): Promise<unknown> {
    return this.text().then((text) => JSON.parse(text))
  },
  arrayBuffer(this: ReadRequest): Promise<ArrayBuffer> {
    const body = this[BODY]
    if (!isEmpty(this.bodyCache)) return baseOf(this).arrayBuffer.call(this)
    body.arrayBuffer ??= Promise.resolve(whole(body.bytes))
    return body.arrayBuffer
  },
  async bytes(this: ReadRequest): Promise<Uint8Array> {
    return new Uint8Array(await this.arrayBuffer())
  },
})

/** What an app did to `c.req.raw` is seen in what it asks of `c.req`. */
function headOf(req: ReadRequest): Request {
  const { raw, original } = req[BODY]
  return raw ?? original
}

function baseOf(req: ReadRequest): Req {
  return req[BODY].base as Req
}

/** Whether the app, or a validator, has put nothing into Hono's cache: what stands there goes before the bytes. */
function isEmpty(cache: object): boolean {
  for (const _ in cache) return false
  return true
}

/** By Hono's own prototype: an app may bring another copy of Hono than we were given. */
const answering = new WeakMap<object, object>()

function answeringFromBody(base: object): object {
  const known = answering.get(base)
  if (known) return known
  const made = Object.create(base, ANSWERS) as object
  answering.set(base, made)
  return made
}
