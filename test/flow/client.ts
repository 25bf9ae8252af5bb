import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import type { TestServer } from './servers.ts'

/** An answer as it came over the wire. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface CallOptions {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array
}

let addresses = 0

/** One client with an address of its own: 127.x on a socket, and `CF-Connecting-IP`, as the edge would send, for workerd. */
export class Client {
  readonly server: TestServer
  readonly #local: string
  readonly #edge: string

  constructor(server: TestServer) {
    this.server = server
    addresses += 1
    this.#local = `127.0.${Math.floor(addresses / 200)}.${2 + (addresses % 200)}`
    this.#edge = `198.51.${Math.floor(addresses / 200)}.${1 + (addresses % 200)}`
  }

  get key(): Record<string, string> {
    return { authorization: `Bearer ${this.server.key}` }
  }

  call(path: string, options: CallOptions = {}): Promise<Answer> {
    const { method = options.body === undefined ? 'GET' : 'POST', body } = options
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          host: '127.0.0.1',
          port: this.server.port,
          localAddress: this.#local,
          method,
          path,
          headers: { ...this.#edgeHeader(), ...options.headers },
          agent: false,
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk) => chunks.push(chunk))
          response.on('end', () => {
            const headers = Object.fromEntries(
              Object.entries(response.headers).map(([name, value]) => [name, [value].flat().join(', ')]),
            )
            resolve({ status: response.statusCode!, headers, body: Buffer.concat(chunks).toString() })
          })
          response.on('error', reject)
        },
      )
      request.on('error', reject)
      request.end(body)
    })
  }

  /** Takes at least so many bytes of an answer, then hangs up; how many it took. */
  hangUpAfter(path: string, bytes: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const { port } = this.server
      const headers = this.#edgeHeader()
      const options = { host: '127.0.0.1', port, localAddress: this.#local, path, headers, agent: false }
      const request = httpRequest(options, (response) => {
        let taken = 0
        response.on('data', (chunk: Buffer) => {
          taken += chunk.byteLength
          if (taken < bytes) return
          request.destroy()
          resolve(taken)
        })
        response.on('error', () => undefined)
      })
      request.on('error', reject)
      request.end()
    })
  }

  /** A chat with the key, or with what `headers` say. */
  chat(message: unknown, headers: Record<string, string> = this.key): Promise<Answer> {
    return this.call('/api/chat', {
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ message }),
    })
  }

  /** Sends bytes as they are, and reads until the server closes, answers whole, or three seconds have passed. */
  raw(head: string, ...parts: (string | Uint8Array)[]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: this.server.port, localAddress: this.#local })
      const chunks: Buffer[] = []
      const finish = (): void => {
        clearTimeout(timer)
        socket.destroy()
        resolve(parse(Buffer.concat(chunks)))
      }
      const timer = setTimeout(finish, 3000)
      socket.on('data', (chunk) => {
        chunks.push(chunk)
        if (isWhole(Buffer.concat(chunks))) finish()
      })
      socket.on('end', finish)
      // A server that refuses early may reset while we still send: what it said before counts, and no word is status 0.
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EPIPE' || error.code === 'ECONNRESET') return finish()
        clearTimeout(timer)
        reject(error)
      })
      const edge = Object.entries(this.#edgeHeader()).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.write(head.replace('\r\n', `\r\n${edge.join('')}`))
      for (const part of parts) socket.write(part)
    })
  }

  #edgeHeader(): Record<string, string> {
    return this.server.runtime === 'workerd' ? { 'cf-connecting-ip': this.#edge } : {}
  }
}

function isWhole(bytes: Buffer): boolean {
  const text = bytes.toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1]
  if (length !== undefined) return bytes.length >= end + 4 + Number(length)
  return /^HTTP\/1\.1 101/.test(text) || text.endsWith('0\r\n\r\n')
}

function parse(bytes: Buffer): Answer {
  const text = bytes.toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  const [status = '', ...lines] = text.slice(0, Math.max(end, 0)).split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(status)?.[1] ?? 0), headers, body: text.slice(end + 4) }
}
