/**
 * muster as a library: the pure core and the way to run an agent.
 *
 * @packageDocumentation
 */
export type { AgentOptions } from './agent/main.ts'
export { runAgent } from './agent/main.ts'
export type { AgentConfig, Diagnostic } from './config/index.ts'
export { configSchema, formatDiagnostic, readConfig } from './config/index.ts'
export type { Effect } from './core/effect.ts'
export type { Input } from './core/input.ts'
export type { NodeInit, NodeView } from './core/node.ts'
export { ClusterNode } from './core/node.ts'
export type { Condition, Waiting } from './core/model/condition.ts'
export type { CertifiedPlan, ClusterPlan, NodeAssignment, NodeRole } from './core/model/plan.ts'
export type { BootstrapSetting, ClusterSpec } from './core/model/spec.ts'
export type { Distribution, Network, OverlayDevice, ServiceManager, Store } from './core/ports.ts'
export type { ErrorCode } from './errors.ts'
export { errorCatalogue, MusterError } from './errors.ts'
export { version } from './version.ts'
