/** Gives equal texts one number. Number 0 is the empty text. */
export interface StringTable {
  readonly strings: readonly string[]
  readonly indexOf: (text: string) => number
}

/** A new table of texts: a long run says few different things, many times. */
export function stringTable(): StringTable {
  const strings = ['']
  const indices = new Map([['', 0]])
  return {
    strings,
    indexOf: (text) => {
      const known = indices.get(text)
      if (known !== undefined) return known
      indices.set(text, strings.length)
      return strings.push(text) - 1
    },
  }
}
