import type { Context } from '../layer.ts'

type Req = Context['req']
type Bytes = Uint8Array<ArrayBuffer>

/** What stands behind `c.req` once its body was read. */
interface ReadBody {
  /** As it came; its body is used up. */
  readonly original: Request
  readonly bytes: Bytes
  /** Hono's own prototype of `c.req`. */
  readonly base: object
}

const BODY = Symbol('body')

interface ReadRequest extends Req {
  [BODY]: ReadBody
}

/** A request of Hono's before and after. */
type AnyRequest = Req & { [BODY]?: ReadBody | undefined }

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
  req[BODY] = { original, bytes, base }
  let raw: Request | undefined
  Object.defineProperty(req, 'raw', {
    configurable: true,
    enumerable: true,
    get(): Request {
      raw ??= new Request(original, { body: bytes })
      return raw
    },
    set(other: Request) {
      // What an app puts there is read as if nothing had been read.
      req[BODY] = undefined
      Object.setPrototypeOf(req, base)
      Object.defineProperty(req, 'raw', { configurable: true, enumerable: true, writable: true, value: other })
      req.bodyCache = {}
    },
  })
  req.bodyCache = {}
  Object.setPrototypeOf(req, answeringFromBody(base))
}

function whole({ buffer, byteOffset, byteLength }: Bytes): ArrayBuffer {
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)
}

const answering = new WeakMap<object, object>()

/** What Hono's own verbs take from `raw`, which would make it: they are told from the original and the bytes. */
function answeringFromBody(base: object): object {
  const known = answering.get(base)
  if (known) return known
  const made = Object.create(base, {
    ...Object.getOwnPropertyDescriptors({
      get url(): string {
        return (this as unknown as ReadRequest)[BODY].original.url
      },
      get method(): string {
        return (this as unknown as ReadRequest)[BODY].original.method
      },
      header(this: ReadRequest, name?: string): unknown {
        const { headers } = this[BODY].original
        return name ? (headers.get(name) ?? undefined) : Object.assign(Object.create(null), Object.fromEntries(headers))
      },
      text(this: ReadRequest): Promise<string> {
        const { bodyCache } = this
        bodyCache.text ??= Promise.resolve(decoder.decode(this[BODY].bytes)) as unknown as string
        return bodyCache.text as unknown as Promise<string>
      },
      async json(this: ReadRequest): Promise<unknown> {
        return JSON.parse(await this.text())
      },
      arrayBuffer(this: ReadRequest): Promise<ArrayBuffer> {
        const { bodyCache } = this
        bodyCache.arrayBuffer ??= Promise.resolve(whole(this[BODY].bytes)) as unknown as ArrayBuffer
        return bodyCache.arrayBuffer as unknown as Promise<ArrayBuffer>
      },
      async bytes(this: ReadRequest): Promise<Uint8Array> {
        return new Uint8Array(await this.arrayBuffer())
      },
    }),
  }) as object
  answering.set(base, made)
  return made
}
