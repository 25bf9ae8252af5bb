/** The symbol of an object with a description: what runtimes keep under one, they do not export. */
export function symbolOf(object: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(object).find((symbol) => symbol.description === description)
}
