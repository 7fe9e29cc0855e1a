/** Ends a test's title: says aloud why it is skipped. Empty where nothing is lacking. */
export function skipNote(lacking: string): string {
  return lacking === '' ? '' : ` (SKIPPED: ${lacking})`
}
