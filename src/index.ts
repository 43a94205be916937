/** BoxLite's public door: everything a program imports from `boxlite`. */
import './base/node-version.ts';

export { Seconds } from './base/durations.ts';
export { BoxliteError, type BoxliteErrorKind, boxliteErrorKinds } from './base/errors.ts';
export { BoxID, BoxIDMint, ContainerID } from './base/ids.ts';
export { Bytes } from './base/sizes.ts';
export { ExecResult } from './box/exec-result.ts';
export { type ExecOutput, ExecStderr, ExecStdin, ExecStdout } from './box/exec-streams.ts';
export { Execution } from './box/execution.ts';
export type { BoxDirectory } from './box/files/box-directory.ts';
export type { BoxDirent } from './box/files/box-dirent.ts';
export type { BoxStats } from './box/files/box-stats.ts';
export type { FileData } from './box/files/file-content.ts';
export type { BoxFileHandle, HandlePart } from './box/files/file-handle.ts';
export type {
  EncodingOption,
  FileTime,
  OpenFlags,
  ReaddirOptions,
  ReadFileOptions,
  WriteFileOptions,
} from './box/files/file-options.ts';
export type { FilePath } from './box/files/file-path.ts';
export type { ReadStreamOptions, WriteStreamOptions } from './box/files/file-streams.ts';
export type { BoxFileSystem } from './box/files/file-system.ts';
export type { FileChange, FileWatch, WatchOptions } from './box/files/file-watch.ts';
export { LiteBox } from './box/lite-box.ts';
export { BoxNetwork } from './box/network.ts';
export type { KernelProgress, KernelStage, OnKernelProgress } from './engine/kernel/progress.ts';
export type { ImageConfig } from './image/config.ts';
export type { ConvertProgress } from './image/convert.ts';
export type { LayerProgress, PullProgress } from './image/pull.ts';
export type { ImageProgress, ImagePullOptions } from './runtime/image-install.ts';
export { type ImagePruneResult, ImageStore } from './runtime/image-store.ts';
export { type BuildKernelsOptions, buildKernels, listKernels } from './runtime/kernels.ts';
export { BoxliteRuntime } from './runtime/runtime.ts';
export type * from './spec/box-options.ts';
export type { EnvironmentPair } from './spec/box-spec.ts';
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
export { ImageRegistry, type RegistryAuth, type RegistryTransport } from './spec/image-registry.ts';
export type { BoxInfo, EngineReport, LogEntry, PublishedPort } from './spec/info.ts';
export type { BoxMetrics, RuntimeMetrics } from './spec/metrics.ts';
export type { NetworkEvent, NetworkRefusal } from './spec/network-event.ts';
export type { Architecture, EngineName, Kernel, KernelFlavor } from './spec/parts.ts';
export type { ResourceLimitsOptions } from './spec/resource-limits.ts';
export { SecurityOptions, SecurityOptionsBuilder } from './spec/security.ts';
export type { ResourceLimits, SecuritySettings } from './spec/security-settings.ts';
export type * from './spec/volume-provider.ts';
export { MemoryVolume, type MemoryVolumeOptions } from './volume/memory-provider.ts';
