// @peculiar/x509 resolves its algorithms through tsyringe, which looks for three functions of the metadata
// proposal on `Reflect` and refuses to load without them. These few lines are all of it that is ever called.

const store = new WeakMap<object, Map<unknown, unknown>>()

function own(key: unknown, target: object): unknown {
  return store.get(target)?.get(key)
}

function inherited(key: unknown, target: object): unknown {
  let current: object | null = target
  while (current !== null) {
    if (store.get(current)?.has(key) === true) return own(key, current)
    current = Object.getPrototypeOf(current) as object | null
  }
  return undefined
}

function define(key: unknown, value: unknown, target: object): void {
  const entries = store.get(target) ?? new Map<unknown, unknown>()
  store.set(target, entries.set(key, value))
}

for (const [name, value] of Object.entries({
  getMetadata: inherited,
  getOwnMetadata: own,
  defineMetadata: define,
})) {
  if (!(name in Reflect)) Object.defineProperty(Reflect, name, { value, configurable: true, writable: true })
}
