import assert from 'node:assert/strict'
import { readLimit, readMode, readOrigins, requireSettings } from '../src/settings.ts'
import { type Case, cases } from './cases.ts'

export const settingsCases: readonly Case[] = [
  ...cases('readMode()', {
    'is development for exactly that word, production for everything else': () => {
      assert.equal(readMode({ NODE_ENV: 'development' }), 'development')
      for (const value of [undefined, '', 'Development', 'dev', ' development', 'test', 'production', true, 1]) {
        assert.equal(readMode({ NODE_ENV: value }), 'production', String(value))
      }
      assert.equal(readMode({}), 'production')
      assert.equal(readMode(Object.create({ NODE_ENV: 'development' })), 'production')
    },
  }),
  ...cases('requireSettings()', {
    'names every missing setting at once with how to make it, and no value': () => {
      const wanted = { A_SECRET: 'openssl rand -hex 32', A_SALT: 'openssl rand -hex 16', A_KEY: 'npx make-key' }
      assert.throws(
        () => requireSettings({ A_KEY: 'hunter2', A_SALT: '' }, wanted),
        (error) =>
          error instanceof TypeError &&
          error.message.includes('A_SECRET  (make one: openssl rand -hex 32)') &&
          error.message.includes('A_SALT  (make one: openssl rand -hex 16)') &&
          !error.message.includes('A_KEY') &&
          !error.message.includes('hunter2'),
      )
      assert.deepEqual(requireSettings({ A: 'x', B: 'y' }, { A: '' }), { A: 'x' })
    },
  }),
  ...cases('LIM-3', {
    'readLimit() takes a whole number in digits, or what stands in for it': () => {
      assert.equal(readLimit({ API_RATE_LIMIT: '100' }, 'API_RATE_LIMIT', 5), 100)
      assert.equal(readLimit({ API_RATE_LIMIT: '1000000000' }, 'API_RATE_LIMIT', 5), 1e9)
      assert.equal(readLimit({}, 'API_RATE_LIMIT', 5), 5)
      assert.equal(readLimit({ API_RATE_LIMIT: '' }, 'API_RATE_LIMIT', 5), 5)
    },
    'readLimit() refuses anything else at start, naming the setting': () => {
      for (const value of [
        '0',
        '-1',
        '+5',
        '05',
        '1e3',
        '1.5',
        ' 5',
        '5 ',
        '5/min',
        'NaN',
        'Infinity',
        '0x10',
        '1000000001',
        '10000000000',
        '٥',
      ]) {
        assert.throws(
          () => readLimit({ CHAT_RATE_LIMIT: value }, 'CHAT_RATE_LIMIT', 20),
          (error) => error instanceof TypeError && error.message.startsWith('CHAT_RATE_LIMIT '),
          value,
        )
      }
    },
  }),
  ...cases('HTT-1', {
    'readOrigins() takes a comma list, and adds what is always let in, once': () => {
      const env = { CORS_ORIGIN: 'https://a.example, https://b.example,tauri://localhost' }
      assert.deepEqual(
        readOrigins(env, 'CORS_ORIGIN', 'production', ['tauri://localhost', 'https://tauri.localhost']),
        ['https://a.example', 'https://b.example', 'tauri://localhost', 'https://tauri.localhost'],
      )
    },
    'readOrigins() lets http://localhost:5173 in by default in development alone': () => {
      assert.deepEqual(readOrigins({}, 'CORS_ORIGIN', 'development'), ['http://localhost:5173'])
      assert.deepEqual(readOrigins({}, 'CORS_ORIGIN', 'production'), [])
      assert.deepEqual(readOrigins({ CORS_ORIGIN: 'https://a.example' }, 'CORS_ORIGIN', 'development'), [
        'https://a.example',
      ])
    },
  }),
]
