/** The control groups that hold VMMs, where the host's are ours to divide. What they limit: jail/control-group.ts. */
import { accessSync, constants, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, systemCode } from '../base/errors.ts';
import {
  type Controller,
  candidateFolders,
  controllers,
  type GroupSetting,
  groupName,
  ownerOfGroup,
} from '../jail/control-group.ts';
import { bootId, livenessOf, thisProcess } from '../process/identity.ts';
import { entriesOf } from '../process/proc-files.ts';
import { processTable } from '../process/process-table.ts';

/** Ours among the groups of the host; the groups of boxes are inside. */
const FOLDER = 'boxlite';
/** Looks at a tree of processes until all of it is in its group: one or two are enough unless it fights back. */
const LOOKS_MAX = 20;
/** How often it is tried to remove a group whose processes have just been killed, and how long the kernel gets. */
const REMOVALS_MAX = 20;
const PAUSE_MS = 5;

/** Some of these files are for writing only. */
const WRITE = { flag: constants.O_WRONLY };

/** Where groups of boxes can be made. */
export interface GroupPlace {
  readonly folder: string;
  /** What can be limited there; the rest belongs to others, or to the hierarchies of version 1. */
  readonly controllers: ReadonlySet<Controller>;
}

/** A place, or why there is none. */
export type FoundPlace = GroupPlace | { readonly reason: string };

/**
 * Finds the place, and makes it ready. It is for good: as long as it is there, nobody turns off what it limits.
 * Waiting for a thread would take longer than these files, which are made up as they are read.
 */
export function findGroupPlace(wanted: readonly Controller[] = controllers): FoundPlace {
  try {
    return firstPlace(ownFolders(), wanted);
  } catch (error) {
    return { reason: messageOf(error) };
  }
}

/** Groups of version 2 around this program, the outermost first. */
export function ownFolders(): string[] {
  const [own, mounts] = ['cgroup', 'mountinfo'].map((name) =>
    readFileSync(`/proc/self/${name}`, 'utf8'),
  );
  return candidateFolders(own ?? '', mounts ?? '');
}

function firstPlace(folders: readonly string[], wanted: readonly Controller[]): FoundPlace {
  let reason = 'the host has no control groups of version 2 that this program is in';
  for (const folder of folders) {
    try {
      // What is moved needs this right on every group that the old and the new one have in common.
      for (const name of ['', 'cgroup.procs', 'cgroup.subtree_control']) {
        accessSync(join(folder, name), constants.W_OK);
      }
      const enabled = divide(folder, wanted);
      if (enabled.size > 0) return { folder: join(folder, FOLDER), controllers: enabled };
      reason = `"${folder}" has none of the controllers ${wanted.join(', ')} to give`;
    } catch (error) {
      reason = messageOf(error);
    }
  }
  return { reason };
}

/** Makes our group in a folder and lets it limit what can be limited there. */
function divide(folder: string, wanted: readonly Controller[]): Set<Controller> {
  const available = wordsOf(folder, 'cgroup.controllers');
  const possible = wanted.filter((name) => available.has(name));
  if (possible.length === 0) return new Set();
  const ours = join(folder, FOLDER);
  mkdirSync(ours, { recursive: true });
  for (const within of [folder, ours]) {
    for (const name of possible) enable(within, name);
  }
  const words = wordsOf(ours, 'cgroup.subtree_control');
  const enabled = new Set(possible.filter((name) => words.has(name)));
  if (enabled.size === 0) rmdirSync(ours);
  return enabled;
}

function enable(folder: string, name: Controller): void {
  if (wordsOf(folder, 'cgroup.subtree_control').has(name)) return;
  try {
    writeFileSync(join(folder, 'cgroup.subtree_control'), `+${name}`);
  } catch {
    // A group with processes of its own cannot be divided; the next one may be.
  }
}

function wordsOf(folder: string, name: string): Set<string> {
  return new Set(readFileSync(join(folder, name), 'utf8').trim().split(' '));
}

/** The group of a VMM. It is made when the VMM has been started, while that boots, and goes with it. */
export class ControlGroup implements AsyncDisposable {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * Makes a group with these limits and moves a process into it, with all that it has started. What it starts from
   * then on is born there.
   */
  static async around(pid: number, { place, box, settings }: GroupOptions): Promise<ControlGroup> {
    const path = join(place.folder, groupName(await thisProcess(), box));
    await mkdir(path, { recursive: true });
    const group = new ControlGroup(path);
    try {
      await group.#limit(settings.filter(({ controller }) => place.controllers.has(controller)));
      await group.#take(pid);
      return group;
    } catch (error) {
      await group[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #limit(settings: readonly GroupSetting[]): Promise<void> {
    for (const { file, value, optional } of settings) {
      await writeFile(join(this.#path, file), value, WRITE).catch((error: unknown) => {
        if (!optional) throw error;
      });
    }
  }

  async #take(pid: number): Promise<void> {
    const procs = join(this.#path, 'cgroup.procs');
    for (let look = 0; look < LOOKS_MAX; look++) {
      const inside = new Set((await readFile(procs, 'utf8')).split('\n'));
      const tree = await processTable.tree(pid);
      const outside = tree.filter(
        (entry) => entry.state !== 'ended' && !inside.has(`${entry.pid}`),
      );
      if (outside.length === 0) return;
      for (const entry of outside) {
        await writeFile(procs, `${entry.pid}`, WRITE).catch((error: unknown) => {
          // It has ended by itself.
          if (systemCode(error) !== 'ESRCH') throw error;
        });
      }
    }
    throw new Error(`the processes of ${pid} do not stay in a control group`);
  }

  /** Ends what is left in it, and removes it. One that does not go is swept by {@link sweepGroups}. */
  [Symbol.asyncDispose](): Promise<void> {
    return remove(this.#path);
  }
}

/** What a group is made from. */
export interface GroupOptions {
  readonly place: GroupPlace;
  readonly box: string;
  readonly settings: readonly GroupSetting[];
}

/** Removes what dead owners have left, of any home. */
export async function sweepGroups({ folder }: GroupPlace): Promise<void> {
  const boot = await bootId();
  const groups = entriesOf(folder).flatMap((name) => {
    const owner = ownerOfGroup(name);
    return owner === null ? [] : [{ name, owner: { ...owner, boot } }];
  });
  const liveness = await livenessOf(groups.map(({ owner }) => owner));
  const dead = groups.filter(({ owner }) => liveness(owner) === 'dead');
  await Promise.all(dead.map(({ name }) => remove(join(folder, name))));
}

async function remove(path: string): Promise<void> {
  for (let attempt = 0; attempt < REMOVALS_MAX; attempt++) {
    try {
      await rmdir(path);
      return;
    } catch (error) {
      if (systemCode(error) !== 'EBUSY') return;
      await writeFile(join(path, 'cgroup.kill'), '1', WRITE).catch(() => undefined);
      await sleep(PAUSE_MS);
    }
  }
}
