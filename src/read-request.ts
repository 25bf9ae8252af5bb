import type { Context } from './layer.ts'

type Req = Context['req']
type Bytes = Uint8Array<ArrayBuffer>

/** Marks what {@link giveBody} made. */
const READ = Symbol('read')
// The app's own names stay free.
const TAKE = Symbol('take')
const GIVEN = Symbol('given')
const WHOLE = Symbol('whole')
const REPLACE = Symbol('replace')
const HONO = Symbol('hono')

/** What stands in the place of Hono's request once its body was read. */
interface ReadRequest {
  readonly [READ]: true
  /** Answers from these bytes from now on. */
  [TAKE](bytes: Bytes): void
  /** The bytes that are answered from; null where the app put others in their place. */
  [GIVEN](): Bytes | null
}

type ReadRequestClass = new (inner: Req, bytes: Bytes) => Req & ReadRequest

/** By Hono's own prototype: an app may bring another copy of Hono than we were given. */
const classes = new WeakMap<object, ReadRequestClass>()
const decoder = new TextDecoder()

/**
 * Leaves a request with the bytes that were read of it: what is asked of `c.req` is answered from them, and `c.req.raw` is a
 * request whose body is unread, made when somebody asks for it. To make one costs as much as Hono's whole way to a handler,
 * and few handlers ask. Who kept `c.req` from before reads the body by its verbs all the same, but its `raw` is used up.
 */
export function giveBody(c: Context, bytes: Bytes): void {
  const { req } = c
  const known = readOf(req)
  if (known) {
    known[TAKE](bytes)
    return
  }
  putRequest(c, new (classFor(Object.getPrototypeOf(req) as object))(req, bytes))
}

/** Gives back what it is given, so that the fields of a class that extends it become that object's own. */
class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is what it is for.
    return object
  }
}

const coming: { req: Req | null } = { req: null }

/** A context with this request as its own `req`. To define a property of one takes V8 several times as long. */
class Replaced extends Given {
  readonly req: Req | null = coming.req
}

function putRequest(c: Context, req: Req): void {
  coming.req = req
  try {
    new Replaced(c)
  } catch {
    // A bundler made an assignment of the field: Hono's class refuses that, or does nothing.
  } finally {
    coming.req = null
  }
  if (c.req === req) return
  Object.defineProperty(c, 'req', { configurable: true, enumerable: true, writable: true, value: req })
}

/** The bytes that `c.req` answers from; null where none were read, or the app put others in their place. */
export function givenBody(c: Context): Bytes | null {
  return readOf(c.req)?.[GIVEN]() ?? null
}

function readOf(req: Req): ReadRequest | null {
  const found = req as Partial<ReadRequest>
  return found[READ] ? (found as ReadRequest) : null
}

function classFor(base: object): ReadRequestClass {
  const known = classes.get(base)
  if (known) return known
  const made = makeClass(base)
  classes.set(base, made)
  return made
}

/** What Hono keeps on a request itself. */
const FIELDS: readonly PropertyKey[] = ['raw', 'path', 'routeIndex', 'bodyCache']

/** A class of requests that answer from bytes, and have Hono's own request, whose body is used up, answer the rest. */
function makeClass(base: object): ReadRequestClass {
  class Answering {
    readonly #inner: Req
    #bytes: Bytes | null = null
    /** `raw`, whole and unread, once somebody asked for it. */
    #made: Request | null = null
    #text: Promise<string> | null = null
    #arrayBuffer: Promise<ArrayBuffer> | null = null
    /** What the app, or a validator, put into Hono's cache: it goes before the bytes. */
    bodyCache: Req['bodyCache'] = {}

    constructor(inner: Req, bytes: Bytes) {
      this.#inner = inner
      this.#hold(bytes)
      Object.defineProperty(this, 'raw', RAW)
      const keys = Reflect.ownKeys(inner)
      if (keys.length > FIELDS.length) keepOwn(this, inner, keys)
    }

    [TAKE](bytes: Bytes): void {
      this.#inner.raw = this.#head
      this.bodyCache = {}
      this.#made = null
      this.#text = null
      this.#arrayBuffer = null
      this.#hold(bytes)
    }

    #hold(bytes: Bytes): void {
      this.#bytes = bytes
      // For who kept Hono's own.
      this.#inner.bodyCache = this.#cacheOf(bytes)
    }

    /** What Hono's own request reads from where nobody put anything into this one's cache. */
    #cacheOf(bytes: Bytes): Req['bodyCache'] {
      return { arrayBuffer: this.#buffer(bytes) as unknown as ArrayBuffer }
    }

    #buffer(bytes: Bytes): Promise<ArrayBuffer> {
      this.#arrayBuffer ??= Promise.resolve(wholeBuffer(bytes))
      return this.#arrayBuffer
    }

    [GIVEN](): Bytes | null {
      return this.#isOwn ? this.#bytes : null
    }

    /** Hono reads a body from what came into its cache first. */
    get #isOwn(): boolean {
      const cache = this.bodyCache as Record<string, unknown>
      for (const key in cache) return cache[key] === (key === 'text' ? this.#text : this.#arrayBuffer)
      return true
    }

    get [WHOLE](): Request {
      const bytes = this.#bytes
      if (bytes === null) return this.#inner.raw
      this.#made ??= new Request(this.#inner.raw, { body: bytes })
      return this.#made
    }

    /** What an app puts there is read as if nothing had been read. */
    [REPLACE](other: Request): void {
      this.#bytes = null
      this.#made = null
      this.#inner.raw = other
      this.bodyCache = {}
      this.#inner.bodyCache = this.bodyCache
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
      return this.#readText()
    }

    json(): Promise<unknown> {
      return this.#readText().then((text) => JSON.parse(text))
    }

    arrayBuffer(): Promise<ArrayBuffer> {
      return this.#readBuffer()
    }

    // Neither looks at the body, nor at `raw`.
    addValidatedData(target: never, data: never): void {
      this.#inner.addValidatedData(target, data)
    }

    valid(target: never): unknown {
      return this.#inner.valid(target)
    }

    #readText(): Promise<string> {
      const bytes = this.bodyCache.text ? null : this[GIVEN]()
      if (bytes === null) return this[HONO].text()
      this.#text ??= Promise.resolve(decoder.decode(bytes))
      this.bodyCache.text = this.#text as unknown as string
      return this.#text
    }

    /** Leaves it in the cache as Hono does: its validator puts a form behind it, from which no bytes could be had again. */
    #readBuffer(): Promise<ArrayBuffer> {
      const bytes = this.bodyCache.arrayBuffer ? null : this[GIVEN]()
      if (bytes === null) return this[HONO].arrayBuffer()
      const buffer = this.#buffer(bytes)
      this.bodyCache.arrayBuffer = buffer as unknown as ArrayBuffer
      return buffer
    }

    async bytes(): Promise<Uint8Array> {
      return new Uint8Array(await this.#readBuffer())
    }

    /** Hono's own request, as the app left it here: its verbs read from its cache before anything else. */
    get [HONO](): Req {
      this.#inner.raw = this.#head
      if (!isEmpty(this.bodyCache)) this.#inner.bodyCache = this.bodyCache
      else if (this.#bytes) this.#inner.bodyCache = this.#cacheOf(this.#bytes)
      return this.#inner
    }
  }

  const { prototype } = Answering
  Object.defineProperty(prototype, READ, { value: true })
  Object.defineProperty(prototype, 'constructor', { value: base.constructor })
  for (const key of [...Reflect.ownKeys(base), 'path', 'routeIndex']) {
    if (Object.hasOwn(prototype, key)) continue
    const isMethod = typeof Object.getOwnPropertyDescriptor(base, key)?.value === 'function'
    Object.defineProperty(prototype, key, isMethod ? methodOf(key) : fieldOf(key))
  }
  Object.setPrototypeOf(prototype, base)
  return Answering as unknown as ReadRequestClass
}

interface Asking {
  readonly [HONO]: Req
}

/** A method that Hono's own request runs. */
function methodOf(key: PropertyKey): PropertyDescriptor {
  return {
    configurable: true,
    writable: true,
    value(this: Asking, ...given: unknown[]): unknown {
      const hono = this[HONO] as unknown as Record<PropertyKey, (...given: unknown[]) => unknown>
      return hono[key]!(...given)
    },
  }
}

/** A field that Hono's own request holds. */
function fieldOf(key: PropertyKey): PropertyDescriptor {
  return {
    configurable: true,
    get(this: Asking): unknown {
      return Reflect.get(this[HONO], key)
    },
    set(this: Asking, value: unknown) {
      Reflect.set(this[HONO], key, value)
    },
  }
}

/** A field of the request itself, as Hono has it: `{ ...c.req }` is how its documentation hands a request on. One for all requests. */
const RAW: PropertyDescriptor & ThisType<{ readonly [WHOLE]: Request; [REPLACE](other: Request): void }> = {
  configurable: true,
  enumerable: true,
  get() {
    return this[WHOLE]
  },
  set(other: Request) {
    this[REPLACE](other)
  },
}

/** Keeps what the app put on a request itself. */
function keepOwn(made: object, inner: object, keys: readonly PropertyKey[]): void {
  for (const key of keys) {
    if (!FIELDS.includes(key)) Object.defineProperty(made, key, Object.getOwnPropertyDescriptor(inner, key)!)
  }
}

function wholeBuffer({ buffer, byteOffset, byteLength }: Bytes): ArrayBuffer {
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)
}

function isEmpty(cache: object): boolean {
  for (const _ in cache) return false
  return true
}
