import { afterwardsMutants } from './afterwards.ts'
import { birthMutants } from './birth.ts'
import { consensusMutants } from './consensus.ts'
import { k3sMutants } from './k3s.ts'
import { liarMutants } from './liars.ts'
import { membershipMutants } from './membership.ts'
import type { Mutant } from './mutant.ts'
import { plannerMutants } from './planner.ts'
import { removalMutants } from './removals.ts'

/** Every seeded bug. */
export const mutants: readonly Mutant[] = [
  ...consensusMutants,
  ...birthMutants,
  ...membershipMutants,
  ...plannerMutants,
  ...k3sMutants,
  ...liarMutants,
  ...afterwardsMutants,
  ...removalMutants,
]
