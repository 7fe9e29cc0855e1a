import type { Effect } from '../../src/core/effect.ts'
import type { Plan } from '../plan/plan.ts'
import type { Simulate } from '../run/simulate.ts'
import type { Core, CoreFactory } from '../world/core.ts'

/**
 * Which machine founds the first cluster when nothing befalls the site: the first that is told to start k3s with
 * `cluster-init`. The plan's faults are left out; until the first of them begins, the run with them is the same one.
 *
 * @param untilMs a founding after this does not count; machine 0 is named then
 */
export function founderOf(plan: Plan, simulate: Simulate, makeCore: CoreFactory, untilMs: number): number {
  let founder: number | undefined
  const watched: CoreFactory = (init, index) => {
    const core = makeCore(init, index)
    return watchEffects(core, (effect) => {
      if (effect.kind === 'k3s' && effect.step.kind === 'start' && effect.step.role === 'server-init')
        founder ??= index
    })
  }
  simulate({ ...plan, faults: [], horizonMs: untilMs, patienceMs: 0 }, { core: watched })
  return founder ?? 0
}

/** The same core, with an eye on what it asks for. */
function watchEffects(core: Core, look: (effect: Effect) => void): Core {
  return {
    handle: (input, now) => core.handle(input, now),
    nextDeadline: () => core.nextDeadline(),
    drain: () => {
      const effects = core.drain()
      for (const effect of effects) look(effect)
      return effects
    },
    ...(core.view === undefined ? {} : { view: () => (core as Required<Core>).view() }),
  }
}
