import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { access, constants, stat } from 'node:fs/promises';
import { arch as hostArch, tmpdir } from 'node:os';
import { BoxliteError } from '../base/errors.ts';
import { enginePreference } from '../engine/engine.ts';
import { bootId } from '../process/identity.ts';
import type { Architecture, EngineName } from '../spec/parts.ts';

/** Which engines make sense on which system. */
const enginesByPlatform: Partial<Record<NodeJS.Platform, readonly EngineName[]>> = {
  linux: ['kvm', 'uml', 'tcg'],
  darwin: ['hvf', 'tcg'],
};

/** The engines a system could have, in the order in which `auto` tries them. */
export function hostEngines(on: NodeJS.Platform): readonly EngineName[] {
  return enginePreference.filter((name) => enginesByPlatform[on]?.includes(name));
}

/** Folders in which unnamed memory can be made, the fastest first. */
export const scratchDirectories: readonly string[] = ['/dev/shm', tmpdir()];

/** @throws BoxliteError `UnsupportedEngine` if this system cannot have the engine. */
export function requirePossible(engine: EngineName, on: NodeJS.Platform): void {
  if (!hostEngines(on).includes(engine)) {
    throw new BoxliteError('UnsupportedEngine', `There is no engine "${engine}" on ${on}`);
  }
  if (engine === 'uml' && guestArchitecture() !== 'x64') {
    throw new BoxliteError('UnsupportedEngine', 'User-mode Linux runs on x86-64 only');
  }
}

/** The architecture of guests, which is the host's. */
export function guestArchitecture(): Architecture {
  const arch = hostArch();
  if (arch === 'x64' || arch === 'arm64') return arch;
  throw new BoxliteError('UnsupportedEngine', `BoxLite runs on x86-64 and arm64, not on ${arch}`);
}

const KVM = '/dev/kvm';

/** @throws BoxliteError `Engine` if /dev/kvm is missing or may not be opened. That it opens proves little. */
export async function checkKvm(): Promise<void> {
  try {
    await access(KVM, constants.R_OK | constants.W_OK);
  } catch (cause) {
    const found = await stat(KVM).catch(() => null);
    throw new BoxliteError(
      'Engine',
      found === null
        ? 'There is no /dev/kvm: the processor or the host offers no hardware virtualisation'
        : `No access to /dev/kvm: ${kvmRemedy(found)}`,
      { cause },
    );
  }
}

/** Reading and writing. */
const GROUP_MAY = 0o060;

/** What lets a user have the device. */
export function kvmRemedy({ mode, gid }: Pick<Stats, 'mode' | 'gid'>): string {
  if ((mode & GROUP_MAY) === GROUP_MAY && gid !== 0) {
    return `add the user to its group ("kvm", as a rule; here ${gid}) and log in again`;
  }
  return `${KVM_GROUP}, add the user to that group and log in again`;
}

const KVM_GROUP = 'let a group have it (chgrp kvm /dev/kvm; chmod g+rw /dev/kvm)';

/** What lets VMMs be locked in. */
export const JAIL_REMEDY =
  'allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces ' +
  'above 0; on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for bwrap)';

/** Whether something failed because this host lets bubblewrap make no namespaces. */
export function isForbiddenJail(reason: string): boolean {
  return /bwrap: .*(namespace|uid map|Operation not permitted|Permission denied)/i.test(reason);
}

/** What to do about an engine that does not work, as far as that can be told from why. */
export function remedyFor(engine: EngineName, reason: string): string | null {
  if (isForbiddenJail(reason)) return JAIL_REMEDY;
  if (/install|apt-get|There is no engine|add the user|BOXLITE_CACHE/.test(reason)) return null;
  if (/KVM kernel module: Permission denied/.test(reason)) {
    return `${KVM_GROUP}: no VMM runs as root`;
  }
  if (engine === 'kvm') {
    return (
      'enable hardware virtualisation in the firmware, or nested virtualisation where this host is a ' +
      'guest itself; until then "uml" or "tcg" do the work'
    );
  }
  return 'read the console above; with "boxlite run --engine" another engine can be chosen';
}

/** Tells one version of a file from another without reading it. */
export async function fileIdentity(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  return `${path}:${size}:${mtimeMs}`;
}

/** Part of every key: raise it when more is found out about an engine than before. */
const RECIPE = 4;

/** A key that changes with its parts and when the host reboots, which may bring other settings. */
export async function verdictKey(parts: readonly string[]): Promise<string> {
  return createHash('sha256')
    .update(JSON.stringify([RECIPE, await bootId(), ...parts]))
    .digest('hex');
}
