export type { KeyMaterial } from '../crypto/key-material.ts'
export { type Keyring, type KeyringOptions, keyring } from '../crypto/keyring.ts'
export {
  checkExpiry,
  decodeName,
  decodeValue,
  encodeListedName,
  encodePart,
  encodeValue,
  isHashed,
  isPending,
  MAX_VALUE_BYTES,
  PAGE_SIZE,
  SWEEP_DELAY_MS,
} from './contract.ts'
export { type DeadlineOptions, withDeadline } from './deadline.ts'
export { type DenialsOptions, type RememberingStore, rememberDenials } from './denials.ts'
export { encrypted } from './encrypted.ts'
export { type Bucket, checkCharges, decide, makeRate } from './gcra.ts'
export { namespaced } from './namespace.ts'
