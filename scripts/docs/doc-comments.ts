/** Name of each exported constant of a source file, to the comment before it in one line. */
export function parseDocComments(source: string): ReadonlyMap<string, string> {
  const comments = new Map<string, string>()
  for (const match of source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export const (\w+)/g)) {
    const text = match[1]!
      .replaceAll(/^\s*\*? ?/gm, '')
      .replaceAll(/\s+/g, ' ')
      .trim()
    comments.set(match[2]!, text)
  }
  return comments
}
