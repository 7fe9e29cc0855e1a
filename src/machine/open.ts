import { fetchBytes, runProgram } from '../components/machine.ts'
import type { Machine } from './machine.ts'

/** The machine below a root, with real programs and the real network. */
export function openMachine(root: string, say: Machine['say']): Machine {
  return { root, say, run: runProgram, fetch: fetchBytes }
}
