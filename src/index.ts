/** BoxLite's public door: everything a program imports from `boxlite`. */
import './base/node-version.ts';

export { Seconds } from './base/durations.ts';
export { BoxliteError, type BoxliteErrorKind, boxliteErrorKinds } from './base/errors.ts';
export { BoxID, BoxIDMint, ContainerID } from './base/ids.ts';
export { Bytes } from './base/sizes.ts';
export { ExecResult } from './box/exec-result.ts';
export { ExecStderr, ExecStdin, ExecStdout } from './box/exec-streams.ts';
export { Execution } from './box/execution.ts';
export { LiteBox } from './box/lite-box.ts';
export { BoxNetwork } from './box/network.ts';
export type { KernelProgress } from './engine/kernel/progress.ts';
export type { ImageConfig } from './image/config.ts';
export type { ImageProgress, ImagePullOptions } from './runtime/image-install.ts';
export { type ImagePruneResult, ImageStore } from './runtime/image-store.ts';
export { type BuildKernelsOptions, buildKernels, listKernels } from './runtime/kernels.ts';
export { BoxliteRuntime } from './runtime/runtime.ts';
export type * from './spec/box-options.ts';
export { BoxState } from './spec/box-state.ts';
export {
  BoxStatus,
  canRemove,
  canRun,
  canStart,
  canStop,
  isActive,
  isConfigured,
  isRunning,
  isStopped,
  isTransient,
} from './spec/box-status.ts';
export type { BoxliteOptions } from './spec/boxlite-options.ts';
export { BoxCommand, type TerminalSize } from './spec/command.ts';
export type { ConnectionRecord, ConnectionState } from './spec/connection-record.ts';
export type { ImageInfo } from './spec/image-info.ts';
export { ImageRegistry } from './spec/image-registry.ts';
export type { BoxInfo, EngineReport, LogEntry, PublishedPort } from './spec/info.ts';
export type { BoxMetrics, RuntimeMetrics } from './spec/metrics.ts';
export type { NetworkEvent, NetworkRefusal } from './spec/network-event.ts';
export type { EngineName, Kernel, KernelFlavor } from './spec/parts.ts';
export type { ResourceLimitsOptions } from './spec/resource-limits.ts';
export { SecurityOptions, SecurityOptionsBuilder } from './spec/security.ts';
export type { ResourceLimits } from './spec/security-settings.ts';
export type * from './spec/volume-provider.ts';
export { MemoryVolume, type MemoryVolumeOptions } from './volume/memory-provider.ts';
