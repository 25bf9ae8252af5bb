import assert from 'node:assert/strict'
import { Recent } from '../src/recent.ts'
import { type Case, cases } from './cases.ts'

export const recentCases: readonly Case[] = cases('Recent', {
  'gives back what was asked for last': () => {
    const recent = new Recent<number>(2)
    recent.set('a', 1)
    assert.equal(recent.get('a'), 1)
    assert.equal(recent.get('b'), undefined)
  },
  'what is asked for again and again stays, however much comes by': () => {
    const recent = new Recent<number>(10)
    recent.set('kept', 1)
    for (let i = 0; i < 10_000; i++) {
      recent.set(`${i}`, i)
      assert.equal(recent.get('kept'), 1)
    }
  },
  'a flood leaves no more than twice its size behind': () => {
    const recent = new Recent<number>(10)
    for (let i = 0; i < 10_000; i++) recent.set(`${i}`, i)
    const held = Array.from({ length: 10_000 }, (_, i) => recent.get(`${i}`)).filter((value) => value !== undefined)
    assert.ok(held.length >= 10 && held.length <= 20, `${held.length}`)
  },
})
