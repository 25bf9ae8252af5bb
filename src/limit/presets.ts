import type { QuotaOptions } from './quota.ts'

type Preset = 'flood' | 'general' | 'chat' | 'tasks' | 'credentials' | 'login' | 'webhooks'

/**
 * Quotas that agent servers were seen to use, by name: `rateLimit(QUOTAS.login)`. Each counts by client address unless
 * told: `rateLimit({ ...QUOTAS.chat, by: 'principal' })`.
 */
export const QUOTAS: Readonly<Record<Preset, QuotaOptions>> = {
  /** 30 a second. */
  flood: { name: 'flood', quota: 30, periodSeconds: 1 },
  /** 100 a minute. */
  general: { name: 'general', quota: 100, periodSeconds: 60 },
  /** 20 a minute. */
  chat: { name: 'chat', quota: 20, periodSeconds: 60 },
  /** 20 a minute. */
  tasks: { name: 'tasks', quota: 20, periodSeconds: 60 },
  /** 20 a minute. */
  credentials: { name: 'credentials', quota: 20, periodSeconds: 60 },
  /** 10 a minute. */
  login: { name: 'login', quota: 10, periodSeconds: 60 },
  /** 30 a minute. */
  webhooks: { name: 'webhooks', quota: 30, periodSeconds: 60 },
}
