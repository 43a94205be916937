import { ftruncateSync } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { BoxliteError } from '../base/errors.ts';
import { UnnamedFile } from '../base/unnamed-file.ts';
import { engines } from '../engine/engine.ts';
import { DiskMailbox } from '../engine/mailbox.ts';
import { withoutZeroPages } from '../engine/qemu/migration-stream.ts';
import { Monitor } from '../engine/qemu/monitor.ts';
import type { JailPrograms } from '../jail/jail.ts';
import type { Machine } from '../spec/parts.ts';
import { SecurityOptions } from '../spec/security.ts';
import type { SecuritySettings } from '../spec/security-settings.ts';
import { scratchDirectories } from './host-checks.ts';
import { startJailed } from './jailed-vm.ts';
import { SnapshotOutbox } from './snapshot-outbox.ts';
import { type Vm, vmStage } from './vm.ts';

/** What the guest of which one is made is called in place of a box's id. */
const NAME = 'snapshot';
/** Each takes a tenth of a second. */
const SAVE_TIMEOUT_MS = 30_000;
const RESTORE_TIMEOUT_MS = 10_000;
/** No limit: the default is for networks. */
const BYTES_PER_SECOND_MAX = 2 ** 40;
const POLL_MS = 2;

/** How a guest is started to be saved. */
export interface SnapshotOptions {
  /** Of the cache, for what is needed while one is made. */
  readonly folder: string;
  readonly programs: JailPrograms | null;
  /** As the box has them, which may have no jail as there can be none on its host. */
  readonly security: SecuritySettings;
  /** When its agent must have spoken, in ms. */
  readonly timeoutMs: number;
}

/**
 * Boots a guest like the machine's, with empty disks, saves it where it waits for its host, and sees whether one starts
 * from that. Empty if the VMM cannot do so.
 * @throws BoxliteError as a boot does, if the guest does not boot; the signal's reason.
 */
export async function makeSnapshot(
  machine: Machine,
  options: SnapshotOptions,
  signal: AbortSignal,
): Promise<Buffer> {
  using outbox = await SnapshotOutbox.open(options.folder);
  using blank = blankMachine(machine, outbox.image);
  await using vm = await startSaved(blank.machine, outbox, options, signal);
  try {
    const uri = outbox.uri(options.security.jailerEnabled);
    const saved = withoutZeroPages(await save(vm, outbox, { uri, signal }));
    await vm[Symbol.asyncDispose]();
    await tryOut(saved, blank.machine, options, signal);
    return saved;
  } catch {
    // Whoever cannot start from a snapshot boots.
    signal.throwIfAborted();
    return Buffer.alloc(0);
  }
}

/** The machine with disks and a mailbox that nothing is on, but as large as its own. */
function blankMachine(machine: Machine, image: string): Disposable & { readonly machine: Machine } {
  using opened = new DisposableStack();
  const { mailbox: use } = engines[machine.engine];
  const mailbox = use === null ? null : opened.use(DiskMailbox.create(scratchDirectories, use));
  const { boxBytes } = machine.disks ?? { boxBytes: 0 };
  const box = opened.use(
    UnnamedFile.create('an empty disk', scratchDirectories, (descriptor) =>
      ftruncateSync(descriptor, boxBytes),
    ),
  );
  const disks = { image, box: box.descriptor, boxBytes };
  const kept = opened.move();
  return {
    machine: { ...machine, disks, mailbox: mailbox?.descriptor ?? null },
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** In the box's kind of jail, but without a filter of system calls, which lets nobody connect: nothing in this guest is anybody's. */
async function startSaved(
  machine: Machine,
  outbox: SnapshotOutbox,
  { programs, security, timeoutMs }: SnapshotOptions,
  signal: AbortSignal,
): Promise<Vm> {
  const plan = engines[machine.engine].plan({ ...machine, snapshot: 'save' });
  return await startJailed(
    { ...plan, files: [...plan.files, outbox.file] },
    {
      programs,
      // As another user, it gets to the outbox by no path of the host.
      security: {
        ...ownLimits(security),
        seccompEnabled: false,
        chrootEnabled: security.jailerEnabled,
      },
      boxId: NAME,
      mailbox: null,
      timeoutMs,
      signal,
      turn: 'never',
    },
  );
}

/** It is for other boxes, too, and must not fail for this one's limits. */
function ownLimits(security: SecuritySettings): SecuritySettings {
  const { resourceLimits } = SecurityOptions.enabled().toSettings();
  return { ...security, resourceLimits };
}

async function save(
  vm: Vm,
  outbox: SnapshotOutbox,
  { uri, signal }: { readonly uri: string; readonly signal: AbortSignal },
): Promise<Buffer> {
  const [socket] = vm.process.sockets;
  if (socket === undefined) throw new BoxliteError('Internal', 'The plan saves no snapshot');
  const monitor = new Monitor(socket);
  const saving = Promise.all([outbox.saved, migrate(monitor, uri)]);
  const limits = { timeoutMs: SAVE_TIMEOUT_MS, signal };
  const [saved] = await vmStage(vm, 'saving a snapshot', saving, limits);
  return saved;
}

/** QEMU's word for it (docs/devel/migration.rst): to another machine, of which a file is one. */
async function migrate(monitor: Monitor, uri: string): Promise<void> {
  await monitor.execute('qmp_capabilities');
  await monitor.execute('migrate-set-parameters', { 'max-bandwidth': BYTES_PER_SECOND_MAX });
  await monitor.execute('migrate', { uri });
  for (;;) {
    const { status } = await monitor.execute('query-migrate');
    if (status === 'completed') return;
    if (status === 'failed' || status === 'cancelled') {
      throw new BoxliteError('Engine', 'QEMU cannot save this guest');
    }
    await wait(POLL_MS);
  }
}

/** As a box is started. @throws BoxliteError `Engine` if no guest starts from it */
async function tryOut(
  saved: Buffer,
  machine: Machine,
  { programs, security }: SnapshotOptions,
  signal: AbortSignal,
): Promise<void> {
  await using _ = await startJailed(
    engines[machine.engine].plan({ ...machine, snapshot: 'restore' }),
    {
      programs,
      security: ownLimits(security),
      boxId: NAME,
      mailbox: null,
      timeoutMs: RESTORE_TIMEOUT_MS,
      signal,
      snapshot: Readable.from(saved),
    },
  );
}
