export { OpenError } from '../crypto/aead.ts'
export { openSeedLayout, type SeedLayout } from './envelope.ts'
export { type CredentialSummary, credentialVault, type Vault, type VaultOptions } from './vault.ts'
