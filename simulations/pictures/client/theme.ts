import type { MessageType } from '../picture.ts'

// Colours stand in the style sheet, once for light and once for dark; the canvas asks for them by name.

/** Looks up a colour of the style sheet. */
export type Theme = (name: string) => string

/** Reads the colours that hold now. Made anew when the scheme changes. */
export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement)
  const known = new Map<string, string>()
  return (name) => {
    let colour = known.get(name)
    if (colour === undefined) {
      colour = style.getPropertyValue(`--${name}`).trim()
      known.set(name, colour)
    }
    return colour
  }
}

/** Name of a phase's colour. */
export function phaseColour(theme: Theme, phase: string): string {
  return theme(`phase-${phase}`) || theme('phase-other')
}

/** Name of a message's colour: its own in consensus, else its family's. */
export function typeColour(theme: Theme, { name, family }: MessageType): string {
  return theme(`message-${name}`) || theme(`message-${family}`)
}

/** A cluster's colour: the first one is the expected one, others stand out. */
export function lineageColour(theme: Theme, lineage: number): string {
  return theme(`lineage-${lineage % 4}`)
}
