import { closeSync, fchmodSync, fchownSync, fstatSync, openSync, statSync } from 'node:fs';
import { wholeEnvironment } from '../base/env.ts';
import { BoxliteError, messageOf } from '../base/errors.ts';
import { filterFile } from '../jail/filter-file.ts';
import { type HostUser, hostUserFor } from '../jail/host-user.ts';
import { type JailPrograms, jailed } from '../jail/jail.ts';
import { sandboxed } from '../jail/sandbox.ts';
import { filterFor } from '../jail/seccomp/filters.ts';
import type { LaunchPlan } from '../spec/parts.ts';
import type { SecuritySettings } from '../spec/security-settings.ts';
import { hasBoxUsers } from './box-users.ts';
import {
  guestArchitecture,
  isForbiddenJail,
  JAIL_REMEDY,
  scratchDirectories,
} from './host-checks.ts';
import { startVm, type Vm, type VmOptions } from './vm.ts';

/** Permissions of a file that others may read, or execute. */
const OTHERS_READ = 0o004;
const OTHERS_READ_WRITE = 0o006;
const GROUP_READ_WRITE = 0o060;
const NOT_OWNER_WRITE = 0o022;

/** Told once: it is about what a program does, not about a box. */
let warned = false;

/** Who is to be locked in, and how. */
export interface JailOptions {
  /** Null on macOS, whose own sandbox it is. */
  readonly programs: JailPrograms | null;
  readonly security: SecuritySettings;
  /** The box's id, or another name of who the VMM is for. */
  readonly boxId: string;
  /** An empty folder of the host for its root; absent or null: it is in memory. */
  readonly root?: string | null;
}

/** A plan with all that its jail needs open on the host until the VMM has been spawned. */
export interface PreparedJail extends Disposable {
  readonly plan: LaunchPlan;
}

/**
 * Starts a VMM in its jail and waits for its agent, as {@link startVm} does.
 * @throws BoxliteError `Engine`, also if the host does not allow the jail; `InvalidArgument` if UML is to run
 *   without one; the signal's reason.
 */
export async function startJailed(plan: LaunchPlan, options: JailOptions & VmOptions): Promise<Vm> {
  using jail = prepareJail(plan, options);
  return await startVm(jail.plan, options).catch((error: unknown) => {
    if (!BoxliteError.is(error, 'Engine') || !isForbiddenJail(error.message)) throw error;
    const message = `${error.message}\nWithout its jail no VMM is started: ${JAIL_REMEDY}`;
    throw new BoxliteError('Engine', message, { cause: error });
  });
}

/**
 * Opens and gives away what the VMM has to reach from its jail.
 * @throws BoxliteError `InvalidArgument` if UML is to run without a jail; `Config`; `Storage`.
 */
export function prepareJail(plan: LaunchPlan, options: JailOptions): PreparedJail {
  const { programs, security, boxId, root = null } = options;
  requireBoundary(plan, security);
  const environment = wholeEnvironment();
  if (programs === null) {
    return { plan: sandboxed(plan, { security, environment }), [Symbol.dispose]: () => undefined };
  }
  using opened = new DisposableStack();
  const user = droppedUser(plan, security, boxId);
  const files = new Map([
    ...openLibraries(plan, security, opened),
    ...(user === null ? [] : openFor(user, plan, opened)),
  ]);
  const filter = security.seccompEnabled
    ? opened.use(filterFile(filterFor(plan.kind, guestArchitecture()), scratchDirectories))
    : null;
  const input = { security, programs, filter: filter?.descriptor ?? null, user, opened: files };
  const inside = jailed(plan, { ...input, root, environment });
  const kept = opened.move();
  return { plan: inside, [Symbol.dispose]: () => kept.dispose() };
}

/** For UML there is no other boundary than the jail. */
function requireBoundary({ kind }: LaunchPlan, security: SecuritySettings): void {
  if (security.jailerEnabled || !kind.startsWith('uml')) return;
  if (security.allowUnjailed !== true) {
    throw new BoxliteError(
      'InvalidArgument',
      'security: a box on the engine "uml" needs the jailer, which is what keeps its guest in; choose ' +
        'another engine, or say allowUnjailed(true) if the code in the box is your own',
    );
  }
  if (warned) return;
  warned = true;
  process.emitWarning(
    'A user-mode Linux guest without a jail can do whatever this user can',
    'BoxliteSecurityWarning',
  );
}

/** Whom to drop to; only root can. */
function droppedUser(plan: LaunchPlan, security: SecuritySettings, boxId: string): HostUser | null {
  if (!security.jailerEnabled || !hasBoxUsers()) return null;
  const user = hostUserFor(boxId, security);
  // A device that is for a group, as /dev/kvm often is, needs that one. Nobody is made one of root's.
  const reserved = plan.devices
    .map((path) => statSync(path))
    .find(
      ({ mode, gid }) =>
        gid !== 0 && isFor(mode, GROUP_READ_WRITE) && !isFor(mode, OTHERS_READ_WRITE),
    );
  return reserved === undefined ? user : { ...user, gid: reserved.gid };
}

function isFor(mode: number, permissions: number): boolean {
  return (mode & permissions) === permissions;
}

/**
 * Opens the libraries that only root can change: others stay on read-only mounts, as who may write to a file can do so
 * by any descriptor of it, too.
 */
function openLibraries(
  { libraries }: LaunchPlan,
  { jailerEnabled, chrootEnabled }: SecuritySettings,
  opened: DisposableStack,
): [string, number][] {
  if (!jailerEnabled || !chrootEnabled) return [];
  const files = libraries.map((path): [string, number] => [path, openFile(path, opened)]);
  return files.filter(([, file]) => {
    const { uid, mode } = fstatSync(file);
    return uid === 0 && (mode & NOT_OWNER_WRITE) === 0 && isFor(mode, OTHERS_READ);
  });
}

/**
 * Makes the plan's files and descriptors that user's to open: files by descriptors, because nobody but us may enter
 * their folders, and the box's own disk and mailbox by their owner. Returns the files' descriptors.
 */
function openFor(
  user: HostUser,
  plan: LaunchPlan,
  opened: DisposableStack,
): readonly [string, number][] {
  const files = plan.files.map(({ hostPath, ours = false }): [string, number] => {
    const file = openFile(hostPath, opened);
    const { mode } = fstatSync(file);
    if (isFor(mode, OTHERS_READ)) return [hostPath, file];
    if (!ours) throw unreadable(hostPath);
    fchmodSync(file, (mode & 0o7777) | OTHERS_READ);
    return [hostPath, file];
  });
  for (const inherited of plan.descriptors) {
    if (inherited !== 'socket') fchownSync(inherited, user.uid, user.gid);
  }
  return files;
}

function openFile(path: string, opened: DisposableStack): number {
  const file = openForJail(path);
  opened.defer(() => closeSync(file));
  return file;
}

/** What was found out about an engine is kept, and files of the host may go meanwhile. */
function openForJail(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new BoxliteError(
      'Engine',
      `Cannot open "${path}", which the VMM needs: ${messageOf(cause)}; "boxlite doctor" looks anew what there is`,
      { cause },
    );
  }
}

function unreadable(hostPath: string): BoxliteError {
  return new BoxliteError(
    'Config',
    `"${hostPath}" is readable by root only, and the VMM does not run as root: chmod o+r it`,
  );
}
