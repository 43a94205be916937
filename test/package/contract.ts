/**
 * Our public API page as types: every declaration of it, written down as a user would expect it, and compared with what
 * the package exports. It is compiled here, and by the test beside it from the packed package. Nothing of it is run.
 */
import type { Readable } from 'node:stream';
import {
  BoxCommand,
  type BoxID,
  type BoxIDMint,
  type BoxInfo,
  BoxliteError,
  type BoxliteErrorKind,
  type BoxliteOptions,
  BoxliteRuntime,
  type BoxMetrics,
  type BoxOptions,
  type BoxState,
  type BoxStatus,
  Bytes,
  type ContainerID,
  type CopyOptions,
  canRemove,
  canRun,
  canStart,
  canStop,
  type EngineChoice,
  type EngineReport,
  type ExecResult,
  type ExecStderr,
  type ExecStdin,
  type ExecStdout,
  type Execution,
  ImageRegistry,
  type ImageStore,
  isActive,
  isConfigured,
  isRunning,
  isStopped,
  isTransient,
  type LiteBox,
  type LogEntry,
  type PublishedPort,
  type ResourceLimits,
  type RuntimeMetrics,
  Seconds,
  SecurityOptions,
  SecurityOptionsBuilder,
} from '../../src/index.ts';

/** Whether two types are the same, and not only assignable to one another. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Whether what is exported can be used as the contract says. */
type Fits<Actual, Contract> = Actual extends Contract ? true : false;
function holds<_Condition extends true>(): void {}

// --- BoxliteRuntime ---------------------------------------------------------------------------------------

interface Runtime extends AsyncDisposable {
  create(options?: BoxOptions, name?: string): Promise<LiteBox>;
  getOrCreate(options: BoxOptions, name: string): Promise<{ box: LiteBox; created: boolean }>;
  get(idOrName: string | BoxID): Promise<LiteBox | null>;
  getInfo(idOrName: string | BoxID): Promise<BoxInfo | null>;
  listInfo(filter?: { status?: BoxStatus[]; labels?: Record<string, string> }): Promise<BoxInfo[]>;
  exists(idOrName: string | BoxID): Promise<boolean>;
  remove(idOrName: string | BoxID, force?: boolean): Promise<void>;
  metrics(): Promise<RuntimeMetrics>;
  readonly images: ImageStore;
  engines(): Promise<EngineReport[]>;
  shutdown(): Promise<void>;
}
interface RuntimeClass {
  new (options?: BoxliteOptions): Runtime;
  withDefaults(): BoxliteRuntime;
  defaultRuntime(): BoxliteRuntime;
  tryDefaultRuntime(): BoxliteRuntime | null;
  initDefaultRuntime(options: BoxliteOptions): void;
}
holds<Fits<typeof BoxliteRuntime, RuntimeClass>>();
holds<Same<BoxliteRuntime['create'], (options?: BoxOptions, name?: string) => Promise<LiteBox>>>();
holds<Same<ReturnType<BoxliteRuntime['get']>, Promise<LiteBox | null>>>();
holds<Same<ReturnType<BoxliteRuntime['getInfo']>, Promise<BoxInfo | null>>>();
holds<Same<ReturnType<BoxliteRuntime['listInfo']>, Promise<BoxInfo[]>>>();
holds<
  Same<ReturnType<BoxliteRuntime['getOrCreate']>, Promise<{ box: LiteBox; created: boolean }>>
>();
holds<Same<ReturnType<typeof BoxliteRuntime.tryDefaultRuntime>, BoxliteRuntime | null>>();

holds<Same<keyof BoxliteOptions, 'homeDir' | 'imageRegistries' | 'engine'>>();
export const runtimeOptions: BoxliteOptions = {
  homeDir: '/x',
  imageRegistries: ['ghcr.io', ImageRegistry.https('ghcr.io')],
  engine: 'auto',
};
holds<Same<EngineChoice, 'auto' | 'kvm' | 'hvf' | 'uml' | 'tcg'>>();

interface Registry {
  withSearch(on: boolean): ImageRegistry;
  withSkipVerify(on: boolean): ImageRegistry;
  withBasicAuth(username: string, password: string): ImageRegistry;
  withBearerAuth(token: string): ImageRegistry;
}
holds<Fits<ImageRegistry, Registry>>();
holds<Same<typeof ImageRegistry.https, (host: string) => ImageRegistry>>();
holds<Same<typeof ImageRegistry.http, (host: string) => ImageRegistry>>();

// --- LiteBox ----------------------------------------------------------------------------------------------

interface Box extends AsyncDisposable {
  readonly id: BoxID;
  readonly name: string | null;
  info(): BoxInfo;
  start(options?: { signal?: AbortSignal }): Promise<void>;
  run(
    command: BoxCommand | [string, ...string[]],
    options?: { signal?: AbortSignal },
  ): Promise<Execution>;
  metrics(): Promise<BoxMetrics>;
  stop(options?: { timeoutMs?: number }): Promise<void>;
  copyIn(hostPath: string, guestPath: string, options?: CopyOptions): Promise<void>;
  copyOut(guestPath: string, hostPath: string, options?: CopyOptions): Promise<void>;
  readonly fs: Files;
  logs(options?: { follow?: boolean; signal?: AbortSignal }): AsyncIterable<LogEntry>;
}
holds<Fits<LiteBox, Box>>();
holds<Same<LiteBox['id'], BoxID>>();
holds<Same<LiteBox['name'], string | null>>();
holds<Same<ReturnType<LiteBox['info']>, BoxInfo>>();
holds<Same<ReturnType<LiteBox['run']>, Promise<Execution>>>();
holds<Same<ReturnType<LiteBox['logs']>, AsyncIterable<LogEntry>>>();

/** The part of node:fs/promises that a box has, as users of it write it. */
interface Files {
  readFile(path: string): Promise<Buffer>;
  readFile(path: string, encoding: 'utf8'): Promise<string>;
  writeFile(path: string, data: string | Uint8Array): Promise<void>;
  appendFile(path: string, data: string | Uint8Array): Promise<void>;
  mkdir(path: string, options?: { recursive?: boolean }): Promise<string | undefined>;
  readdir(path: string): Promise<string[]>;
  rm(path: string, options?: { recursive?: boolean; force?: boolean }): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  stat(path: string): Promise<{ size: number; isFile(): boolean; isDirectory(): boolean }>;
}

interface Info {
  readonly id: BoxID;
  readonly name: string | null;
  readonly status: BoxStatus;
  readonly createdAt: Date;
  readonly lastUpdated: Date;
  readonly pid: number | null;
  readonly image: string;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly engine: Exclude<EngineChoice, 'auto'> | null;
  readonly ports: readonly PublishedPort[];
  readonly exitReason: string | null;
}
holds<Same<{ [K in keyof BoxInfo]: BoxInfo[K] }, { [K in keyof Info]: Info[K] }>>();
holds<Same<keyof PublishedPort, 'guestPort' | 'hostPort' | 'protocol' | 'hostIp'>>();

holds<
  Fits<
    BoxState,
    {
      status: BoxStatus;
      pid: number | null;
      containerId: ContainerID | null;
      lastUpdated: Date;
      lockId: number | null;
    }
  >
>();
holds<Same<BoxStatus, 'unknown' | 'configured' | 'running' | 'stopping' | 'stopped'>>();
holds<
  Same<keyof typeof BoxStatus, 'Unknown' | 'Configured' | 'Running' | 'Stopping' | 'Stopped'>
>();
export const predicates: ((s: BoxStatus) => boolean)[] = [
  ...[isActive, isRunning, isConfigured, isStopped, isTransient],
  ...[canStart, canStop, canRemove, canRun],
];

// --- Running commands -------------------------------------------------------------------------------------

interface Command {
  arg(a: string): BoxCommand;
  args(a: Iterable<string>): BoxCommand;
  env(key: string, value: string): BoxCommand;
  envs(e: Record<string, string>): BoxCommand;
  timeout(t: number | Seconds): BoxCommand;
  workingDir(dir: string): BoxCommand;
  user(u: string): BoxCommand;
  tty(enable: boolean): BoxCommand;
}
holds<Fits<typeof BoxCommand, new (command: string) => Command>>();
holds<Same<ConstructorParameters<typeof BoxCommand>, [command: string]>>();

interface Running extends AsyncDisposable {
  readonly id: string;
  stdin(): ExecStdin | null;
  stdout(): ExecStdout | null;
  stderr(): ExecStderr | null;
  wait(): Promise<ExecResult>;
  kill(): Promise<void>;
  signal(s: number | NodeJS.Signals): Promise<void>;
  resizeTty(rows: number, cols: number): Promise<void>;
  output(): Promise<ExecResult & { stdout: string; stderr: string }>;
}
holds<Fits<Execution, Running>>();
holds<Same<ReturnType<Execution['stdin']>, ExecStdin | null>>();
holds<Same<ReturnType<Execution['stdout']>, ExecStdout | null>>();
holds<Same<ReturnType<Execution['stderr']>, ExecStderr | null>>();
holds<Same<ReturnType<Execution['wait']>, Promise<ExecResult>>>();
holds<
  Same<ReturnType<Execution['output']>, Promise<ExecResult & { stdout: string; stderr: string }>>
>();

holds<
  Fits<
    ExecStdin,
    {
      write(d: string | Uint8Array): Promise<void>;
      writeAll(d: string | Uint8Array): Promise<void>;
      close(): Promise<void>;
    }
  >
>();
interface Output extends AsyncIterable<string> {
  bytes(): AsyncIterable<Uint8Array>;
  text(): Promise<string>;
  readable(): Readable;
}
holds<Fits<ExecStdout, Output>>();
holds<Fits<ExecStderr, Output>>();
holds<
  Fits<
    ExecResult,
    {
      exitCode: number;
      success(): boolean;
      code(): number;
      signal: NodeJS.Signals | null;
      timedOut: boolean;
      durationMs: number;
    }
  >
>();

// --- BoxOptions -------------------------------------------------------------------------------------------

export const everyOption: Required<BoxOptions> = {
  cpus: 2,
  memoryMib: Bytes.fromMib(512),
  diskSizeGb: 10,
  workingDir: '/',
  env: { A: 'b' },
  user: 'nobody',
  entrypoint: ['sh', '-c'],
  cmd: ['true'],
  labels: { a: 'b' },
  rootfs: 'alpine:latest',
  volumes: [
    { hostPath: '/a', guestPath: '/b' },
    { hostPath: '/a', guestPath: '/c', readOnly: true },
  ],
  network: { mode: 'enabled', allowNet: ['example.com'] },
  secrets: [
    { name: 'a', hosts: ['b'], value: 'c' },
    { name: 'd', hosts: ['e'], value: 'f', placeholder: 'g' },
  ],
  ports: [
    { guestPort: 80 },
    { guestPort: 53, hostPort: 5353, protocol: 'udp', hostIp: '127.0.0.1' },
  ],
  autoRemove: true,
  detach: false,
  engine: 'auto',
  bootTimeoutMs: Seconds.fromSeconds(30),
  advanced: { security: SecurityOptions.enabled(), isolateMounts: false },
  security: SecurityOptions.enabled(),
  isolateMounts: false,
};
export const otherSpellings: BoxOptions[] = [
  {},
  { env: [['A', 'b']], rootfs: { image: 'alpine' }, network: 'enabled' },
  { rootfs: { rootfsPath: '/srv/root' }, network: 'disabled' },
  {
    memoryMib: 512,
    bootTimeoutMs: 30_000,
    network: 'isolated',
    ports: [{ guestPort: 1, protocol: 'tcp' }],
  },
  { network: { mode: 'isolated' } },
];
// @ts-expect-error an unknown option is a mistake
export const unknownOption: BoxOptions = { cpu: 1 };
// @ts-expect-error and so is an unknown word
export const unknownWord: BoxOptions = { network: 'host' };

// --- Security ---------------------------------------------------------------------------------------------

holds<
  Same<
    keyof ResourceLimits,
    'maxOpenFiles' | 'maxFileSize' | 'maxProcesses' | 'maxMemory' | 'maxCpuTime'
  >
>();
export const presets: SecurityOptions[] = [
  ...[SecurityOptions.enabled(), SecurityOptions.disabled(), SecurityOptions.development()],
  ...[SecurityOptions.standard(), SecurityOptions.maximum()],
];
export const builders: SecurityOptionsBuilder[] = [
  ...[SecurityOptions.builder(), SecurityOptionsBuilder.new(), SecurityOptionsBuilder.enabled()],
  ...[SecurityOptionsBuilder.disabled(), SecurityOptionsBuilder.development()],
  ...[SecurityOptionsBuilder.standard(), SecurityOptionsBuilder.maximum()],
];
export const built: SecurityOptions = new SecurityOptionsBuilder()
  .jailerEnabled(true)
  .seccompEnabled(true)
  .uid(1)
  .gid(1)
  .newPidNs(true)
  .newNetNs(true)
  .chrootBase('/srv')
  .chrootEnabled(true)
  .closeFds(true)
  .sanitizeEnv(true)
  .envAllowlist(['A'])
  .allowEnv('B')
  .resourceLimits({ maxOpenFiles: 1 })
  .maxOpenFiles(1)
  .maxFileSizeBytes(1)
  .maxProcesses(1)
  .maxMemoryBytes(1)
  .maxCpuTimeSeconds(1)
  .sandboxProfile('/a')
  .networkEnabled(true)
  .build();

// --- Metrics ----------------------------------------------------------------------------------------------

holds<
  Same<
    { [K in keyof RuntimeMetrics]: RuntimeMetrics[K] },
    {
      readonly boxesCreatedTotal: number;
      readonly boxesFailedTotal: number;
      readonly numRunningBoxes: number;
      readonly totalCommandsRun: number;
      readonly totalRunErrors: number;
    }
  >
>();
type Counted = 'commandsRunTotal' | 'runErrorsTotal' | 'bytesSentTotal' | 'bytesReceivedTotal';
type Measured =
  | ('totalCreateDurationMs' | 'guestBootDurationMs' | 'cpuPercent' | 'memoryBytes')
  | ('networkBytesSent' | 'networkBytesReceived' | 'networkTcpConnections' | 'networkTcpErrors')
  | ('stageFilesystemSetupMs' | 'stageImagePrepareMs' | 'stageGuestRootfsMs')
  | ('stageBoxConfigMs' | 'stageBoxSpawnMs' | 'stageContainerInitMs');
holds<Same<keyof BoxMetrics, Counted | Measured>>();
holds<Same<BoxMetrics[Counted], number>>();
holds<Same<BoxMetrics[Measured], number | null>>();

// --- Types and errors -------------------------------------------------------------------------------------

export const sizes: Bytes[] = [
  ...[Bytes.fromBytes(1), Bytes.fromKib(1), Bytes.fromMib(1), Bytes.fromGib(1)],
];
holds<Fits<Bytes, { asBytes(): number; asKib(): number; asMib(): number; toString(): string }>>();
export const durations: Seconds[] = [
  ...[Seconds.fromSeconds(1), Seconds.fromMinutes(1), Seconds.fromHours(1)],
];
holds<Fits<Seconds, { asSeconds(): number; asMinutes(): number; toString(): string }>>();
holds<Same<ReturnType<typeof BoxIDMint.mint>, BoxID>>();
holds<Same<typeof BoxID.parse, (text: string) => BoxID | null>>();
holds<Fits<BoxID, { asStr(): string; short(): string; toString(): string; toJSON(): string }>>();
holds<Same<ReturnType<typeof ContainerID.new>, ContainerID>>();
holds<Same<typeof ContainerID.isValid, (text: string) => boolean>>();
holds<Fits<ContainerID, { asStr(): string; short(): string }>>();

holds<
  Same<
    BoxliteErrorKind,
    | ('UnsupportedEngine' | 'Engine' | 'Config' | 'Storage' | 'Image' | 'Portal' | 'Network')
    | ('Rpc' | 'RpcTransport' | 'Internal' | 'Run' | 'Unsupported' | 'NotFound' | 'AlreadyExists')
    | ('InvalidState' | 'Database' | 'MetadataError' | 'InvalidArgument')
  >
>();
holds<Fits<BoxliteError, Error & { kind: BoxliteErrorKind; code: string; cause?: unknown }>>();
export function isGone(error: unknown): 'NotFound' | null {
  return BoxliteError.is(error, 'NotFound') ? error.kind : null;
}

export async function use(): Promise<ExecResult> {
  await using runtime = new BoxliteRuntime();
  await using box = await runtime.create({ rootfs: 'builtin:base' }, 'name');
  await using run = await box.run(new BoxCommand('true').timeout(1000));
  for await (const line of run.stdout() ?? []) line.trim();
  return run.wait();
}
