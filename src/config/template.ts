/** What a template may name. */
export interface TemplateValues {
  /** Contents of /etc/machine-id: 32 hexadecimal characters. */
  readonly MachineID: string
  /** The system's UUID from the firmware. */
  readonly UUID?: string
}

export type TemplateResult =
  | { readonly kind: 'text'; readonly text: string }
  /** A template that says something else than the subset below. */
  | { readonly kind: 'error'; readonly message: string }

/**
 * Fills the small part of Go's templates that Kairos' host names use: `{{ .MachineID }}` and
 * `{{ trunc 4 .MachineID }}` (a negative number keeps the end, as in sprig). Everything else is an error.
 */
export function renderTemplate(template: string, values: TemplateValues): TemplateResult {
  let problem: string | undefined
  const text = template.replaceAll(/\{\{-?\s*(.*?)\s*-?\}\}/g, (whole, expression: string) => {
    const match = /^(?:trunc\s+(-?\d{1,4})\s+)?\.(\w+)$/.exec(expression)
    const value = match === null ? undefined : lookUp(values, match[2]!)
    if (match === null || value === undefined) {
      problem ??= `\`${whole}\` is not understood; known are \`{{ .MachineID }}\`, \`{{ .UUID }}\` and \`{{ trunc 4 .MachineID }}\``
      return ''
    }
    return match[1] === undefined ? value : truncate(value, Number(match[1]))
  })
  if (problem === undefined && /\{\{|\}\}/.test(text)) problem = 'a `{{` or `}}` has no partner'
  return problem === undefined ? { kind: 'text', text } : { kind: 'error', message: problem }
}

function lookUp(values: TemplateValues, name: string): string | undefined {
  if (name === 'MachineID') return values.MachineID
  return name === 'UUID' ? (values.UUID ?? '') : undefined
}

function truncate(value: string, length: number): string {
  return length < 0 ? value.slice(length) : value.slice(0, length)
}
