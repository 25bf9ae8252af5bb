export { type ValidatedInput, type ValidationRefusal, validate } from './middleware.ts'
export { ChatText, Id, IdParam, MemoryQuestion, text } from './schemas.ts'
