// The composition for what happens at boot: it loads no network of peers, so that it starts at once.

export { runProgram } from '../adapters/exec.ts'
export { fetchBytes } from '../adapters/fetch.ts'
