export { type AuditEntry, type AuditTrail, type AuditTrailOptions, auditTrail } from './trail.ts'
