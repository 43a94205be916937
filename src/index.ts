/** BoxLite's public door: everything a program imports from `boxlite`. */
export { Seconds } from './base/durations.ts';
export { BoxliteError, type BoxliteErrorKind, boxliteErrorKinds } from './base/errors.ts';
export { BoxID, BoxIDMint, ContainerID } from './base/ids.ts';
export { Bytes } from './base/sizes.ts';
export { ExecResult } from './box/exec-result.ts';
export { ExecStderr, ExecStdin, ExecStdout } from './box/exec-streams.ts';
export { Execution } from './box/execution.ts';
export { LiteBox } from './box/lite-box.ts';
export { BoxliteRuntime } from './runtime/runtime.ts';
