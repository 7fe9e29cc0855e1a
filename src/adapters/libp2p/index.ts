export { createNetwork } from './network.ts'
export type { NetworkComponents, NetworkInit, NetworkKeys, NetworkLimits, NetworkLogger } from './settings.ts'
export { isStreamFault } from './stream-fault.ts'
