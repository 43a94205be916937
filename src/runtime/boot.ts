/**
 * How a box starts. Read this first: each step is a room's work, and everything a step opens is on a
 * stack that is unwound in reverse when a later step fails.
 */
import { randomBytes } from 'node:crypto';
import { fstatSync } from 'node:fs';
import type { BoxliteError } from '../base/errors.ts';
import { engines } from '../engine/engine.ts';
import { requireMemory } from '../engine/kernel-needs.ts';
import { DiskMailbox } from '../engine/mailbox.ts';
import type { ImageConfig } from '../image/config.ts';
import { withRoomFor } from '../jail/jail.ts';
import type { Uplink } from '../network/connection.ts';
import { wholeNumber } from '../portal/control.ts';
import type { BoxSpec } from '../spec/box-spec.ts';
import type { Kernel, Machine } from '../spec/parts.ts';
import { BoxGroup } from './box-group.ts';
import { nameFiles } from './box-names.ts';
import type { Host, ReadyEngine } from './host.ts';
import { scratchDirectories } from './host-checks.ts';
import { JailRoot } from './jail-root.ts';
import { startJailed } from './jailed-vm.ts';
import { NetworkLink, type TrafficGrowth } from './network-link.ts';
import type { RootImage } from './root-image.ts';
import { type Vm, vmStage } from './vm.ts';
import type { Providers, Volumes } from './volumes.ts';

/** Bytes of the host's randomness that a guest starts with. */
const SEED_BYTES = 32;

/** A guest that says its container took longer than an hour is not believed. */
const CONTAINER_US_MAX = 3_600_000_000;

/** What a boot needs besides the box's spec. */
export interface BootInput {
  readonly host: Host;
  readonly spec: BoxSpec;
  /** What the guest calls itself. */
  readonly hostname: string;
  /** Finds or makes the image. */
  readonly image: (signal?: AbortSignal) => Promise<RootImage>;
  /** Opens the box's own disk; the boot closes it once the VMM has it. */
  readonly disk: (signal?: AbortSignal) => Promise<AsyncDisposable & { readonly fd: number }>;
  /** What the program gave for volumes that are no host paths. */
  readonly providers: Providers;
  /** Where an enabled network leads to. */
  readonly uplink: Uplink;
  /** Told what passes over its network. */
  readonly onTraffic: (growth: TrafficGrowth) => void;
  /** Told the VMM's pid as soon as it has one. */
  readonly onSpawned?: (pid: number) => Promise<void>;
}

/** A box that has booted. */
export interface Booted {
  readonly vm: Vm;
  readonly engine: ReadyEngine;
  /** What the image says about programs run in it. */
  readonly config: ImageConfig | null;
  /** Null if it is disabled. */
  readonly network: NetworkLink | null;
  readonly timings: BootTimings;
  /** How long whatever else belongs to its start may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Whoever takes this ends the VM with it. */
  readonly resources: AsyncDisposable;
}

/** How long each stage took, in milliseconds. */
export interface BootTimings {
  readonly engineMs: number;
  readonly imageMs: number;
  readonly diskMs: number;
  readonly agentMs: number;
  /** What the agent says that making the container has taken, some of it while the disks were mounted. */
  readonly containerMs: number;
}

/**
 * Boots a box.
 * @throws BoxliteError `Engine` naming the stage, with the console's last lines; what a step throws.
 */
export async function boot(input: BootInput, signal?: AbortSignal): Promise<Booted> {
  const { host, spec } = input;
  const clock = stopwatch();
  // Closed in any case, and closed only if the boot fails.
  await using opened = new AsyncDisposableStack();
  await using kept = new AsyncDisposableStack();

  // What to boot: the engine with its kernel and initramfs, and the image.
  const ready = await host.engine(spec.engine ?? 'auto', signal);
  requireMemory(ready.kernel, spec.memoryMib);
  const engine = engines[ready.name];
  const engineMs = clock();
  const { disk: imageDisk, config } = await input.image(signal);
  const imageMs = clock();

  // What is this box's own: a writable disk, and the mailbox where the engine needs one.
  const disk = opened.use(await input.disk(signal));
  const mailbox =
    engine.mailbox === null
      ? null
      : kept.use(DiskMailbox.create(scratchDirectories, engine.mailbox));
  const volumes = kept.use(await openVolumes(input));
  const diskMs = clock();

  // Guests of a slow engine start from a snapshot: where one like them has booted, and waited for its host.
  const timeoutMs = spec.bootTimeoutMs ?? engine.bootTimeoutMs;
  const machine: Machine = {
    ...ready,
    kernel: spec.security.umlPtrace ? inPtraceMode(ready.kernel) : ready.kernel,
    engine: ready.name,
    cpus: spec.cpus,
    memoryMib: spec.memoryMib,
    disks: { image: imageDisk, box: disk.fd, boxBytes: fstatSync(disk.fd).size },
    mailbox: mailbox?.descriptor ?? null,
    limits: spec.security.resourceLimits,
  };
  const { security } = spec;
  const guest = { programs: ready.programs, security, timeoutMs };
  const snapshot = await host.snapshots.open(machine, guest, signal);
  if (snapshot !== null) opened.use(snapshot);

  // From facts to a command line, and from there to a narrower one. Both steps are pure.
  const plan = engine.plan(snapshot === null ? machine : { ...machine, snapshot: 'restore' });
  const root = kept.use(await JailRoot.create(spec.security, input.hostname));
  const group = kept.use(new BoxGroup(host, input.hostname, spec));
  const vm = kept.use(
    await startJailed(plan, {
      ...guest,
      security: withRoomFor(plan, security),
      boxId: input.hostname,
      root: root.path,
      mailbox,
      signal,
      snapshot: snapshot?.stream,
      onSpawned: async (pid) => {
        group.hold(pid);
        await input.onSpawned?.(pid);
      },
    }).catch(async (error: unknown) => {
      if (signal?.aborted !== true) await snapshot?.drop();
      throw error;
    }),
  );
  await group.held;
  const agentMs = clock();

  // The agent has spoken, and mounts the disks while it makes the network. Once they are one root, commands can run.
  const enabled = spec.network.mode === 'enabled';
  const network = enabled ? openNetwork(vm, input) : null;
  if (network !== null) kept.use(network);
  const request = {
    service: 'boot',
    hostname: input.hostname,
    time: Date.now(),
    seed: randomBytes(SEED_BYTES).toString('hex'),
    files: nameFiles(input.hostname, spec.network.mode),
  };
  const user = spec.user ?? config?.user ?? '';
  const mounted = Promise.all([vm.portal.ask(request), volumes?.mount(vm.portal.channel, user)]);
  const stage = 'mounting the root file system';
  const [answer] = await vmStage(vm, stage, mounted, { timeoutMs, signal });

  const containerMs = wholeNumber(answer, 'containerUs', CONTAINER_US_MAX) / 1000;
  const timings = { engineMs, imageMs, diskMs, agentMs, containerMs };
  signal?.throwIfAborted();
  return { vm, engine: ready, config, network, timings, timeoutMs, resources: kept.move() };
}

/** User-mode Linux as it is without its seccomp mode, on which its second processor depends. */
function inPtraceMode(kernel: Kernel): Kernel {
  return { ...kernel, seccomp: false, smp: false };
}

/** Few boxes have any, and what serves them is loaded for those that do. */
async function openVolumes({ spec, providers }: BootInput): Promise<Volumes | null> {
  if (spec.volumes.length === 0) return null;
  const { Volumes } = await import('./volumes.ts');
  return await Volumes.open(spec.volumes, providers);
}

/** A box whose network cannot be had does not go on without. */
function openNetwork(vm: Vm, { uplink, onTraffic }: BootInput): NetworkLink {
  const onFailed = (reason: BoxliteError) => vm.portal.close(reason);
  return new NetworkLink(vm.portal.channel, { uplink, onTraffic, onFailed });
}

/** Each call returns the milliseconds since the one before. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const passed = now - last;
    last = now;
    return passed;
  };
}
