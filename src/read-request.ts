import type { Context } from './layer.ts'

type Req = Context['req']
type Bytes = Uint8Array<ArrayBuffer>

/** Marks what {@link giveBody} made. */
const READ = Symbol('read')

/** What stands in the place of Hono's request once its body was read. */
interface ReadRequest {
  readonly [READ]: true
  /** Answers from these bytes from now on. */
  take(bytes: Bytes): void
  /** The bytes that are answered from; null where the app put others in their place. */
  given(): Bytes | null
}

/** By Hono's own prototype: an app may bring another copy of Hono than we were given. */
const classes = new WeakMap<object, new (inner: Req) => Req & ReadRequest>()
const decoder = new TextDecoder()
/** What of a request needs no body, though Hono's own reads `raw` for some. */
const BODILESS: readonly PropertyKey[] = ['param', 'query', 'queries', 'addValidatedData', 'valid']
/** What Hono keeps on a request itself. */
const FIELDS = ['path', 'routeIndex', 'bodyCache']

/**
 * Leaves a request with the bytes that were read of it: what is asked of `c.req` is answered from them, and `c.req.raw` is a
 * request whose body is unread, made when somebody asks for it. To make one costs as much as Hono's whole way to a handler,
 * and few handlers ask.
 */
export function giveBody(c: Context, bytes: Bytes): void {
  const { req } = c
  const known = readOf(req)
  if (known) {
    known.take(bytes)
    return
  }
  const made = new (classFor(Object.getPrototypeOf(req) as object))(req)
  made.take(bytes)
  new WithRequest(c, made)
}

class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: what is given is what gets the field.
    return object as Given
  }
}

/** Gives a context a `req` of its own. Engines make a field of a class many times quicker than `defineProperty()` does. */
class WithRequest extends Given {
  readonly req: unknown

  constructor(c: Context, req: unknown) {
    super(c)
    this.req = req
  }
}

/** The bytes that `c.req` answers from; null where none were read, or the app put others in their place. */
export function givenBody(c: Context): Bytes | null {
  return readOf(c.req)?.given() ?? null
}

function readOf(req: Req): ReadRequest | null {
  const found = req as Partial<ReadRequest>
  return found[READ] ? (found as ReadRequest) : null
}

function classFor(base: object): new (inner: Req) => Req & ReadRequest {
  const known = classes.get(base)
  if (known) return known
  const made = makeClass(base)
  classes.set(base, made)
  return made
}

/**
 * A class of requests that answer from bytes, and have Hono's own request, whose body is used up, answer the rest. What may read a
 * body is answered by Hono's once it has a whole one again.
 */
function makeClass(base: object): new (inner: Req) => Req & ReadRequest {
  class Answering {
    readonly #inner: Req
    #bytes: Bytes | null = null
    /** `raw`, whole and unread, once somebody asked for it. */
    #made: Request | null = null
    #text: Promise<string> | null = null
    #arrayBuffer: Promise<ArrayBuffer> | null = null

    constructor(inner: Req) {
      this.#inner = inner
    }

    take(bytes: Bytes): void {
      this.#inner.raw = this.#head
      this.#inner.bodyCache = {}
      this.#bytes = bytes
      this.#made = null
      this.#text = null
      this.#arrayBuffer = null
    }

    given(): Bytes | null {
      return isEmpty(this.#inner.bodyCache) ? this.#bytes : null
    }

    get raw(): Request {
      const bytes = this.#bytes
      if (bytes === null) return this.#inner.raw
      this.#made ??= new Request(this.#inner.raw, { body: bytes })
      return this.#made
    }

    /** What an app puts there is read as if nothing had been read. */
    set raw(other: Request) {
      this.#bytes = null
      this.#made = null
      this.#inner.raw = other
      this.#inner.bodyCache = {}
    }

    /** What an app did to `raw` is seen in what it asks of the rest. */
    get #head(): Request {
      return this.#made ?? this.#inner.raw
    }

    get url(): string {
      return this.#head.url
    }

    get method(): string {
      return this.#head.method
    }

    header(name?: string): unknown {
      const { headers } = this.#head
      return name ? (headers.get(name) ?? undefined) : Object.assign(Object.create(null), Object.fromEntries(headers))
    }

    text(): Promise<string> {
      const bytes = this.given()
      if (bytes === null) return this.#inner.text()
      this.#text ??= Promise.resolve(decoder.decode(bytes))
      return this.#text
    }

    json(): Promise<unknown> {
      return this.text().then((text) => JSON.parse(text))
    }

    arrayBuffer(): Promise<ArrayBuffer> {
      const bytes = this.given()
      if (bytes === null) return this.#inner.arrayBuffer()
      this.#arrayBuffer ??= Promise.resolve(whole(bytes))
      return this.#arrayBuffer
    }

    async bytes(): Promise<Uint8Array> {
      return new Uint8Array(await this.arrayBuffer())
    }

    /** Hono's own request; `withBody` where it may read the body. */
    static innerOf(request: Answering, withBody: boolean): Record<PropertyKey, unknown> {
      const inner = request.#inner
      if (withBody) inner.raw = request.raw
      return inner as unknown as Record<PropertyKey, unknown>
    }
  }

  const { prototype } = Answering
  Object.defineProperty(prototype, READ, { value: true })
  for (const key of [...Reflect.ownKeys(base), ...FIELDS]) {
    if (Object.hasOwn(prototype, key)) continue
    const isMethod = typeof Object.getOwnPropertyDescriptor(base, key)?.value === 'function'
    const readsBody = isMethod && !BODILESS.includes(key)
    Object.defineProperty(prototype, key, {
      configurable: true,
      get(this: Answering): unknown {
        const inner = Answering.innerOf(this, readsBody)
        const value = inner[key]
        return isMethod ? (value as () => unknown).bind(inner) : value
      },
      set(this: Answering, value: unknown) {
        Answering.innerOf(this, false)[key] = value
      },
    })
  }
  Object.setPrototypeOf(prototype, base)
  return Answering as unknown as new (
    inner: Req,
  ) => Req & ReadRequest
}

function whole({ buffer, byteOffset, byteLength }: Bytes): ArrayBuffer {
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)
}

/** Whether the app, or a validator, has put nothing into Hono's cache: what stands there goes before the bytes. */
function isEmpty(cache: object): boolean {
  for (const _ in cache) return false
  return true
}
