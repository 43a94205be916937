/** Nothing may be left of a test: no process, no file, nothing that keeps the program from ending. */
import { readdirSync } from 'node:fs';
import { after, afterEach, beforeEach } from 'node:test';
import { eventuallyNone } from './polling.ts';
import { descendants, type ProcessEntry, processesWithFilesIn } from './processes.ts';

/** What keeps this program alive while a box runs: its process, its wire, its timers. */
const RESOURCES = ['ProcessWrap', 'PipeWrap', 'Timeout', 'FSReqCallback', 'FSReqPromise'];
/** What user-mode Linux, QEMU and we would call a file in memory. */
const OUR_NAMES = /boxlite|vm_file|uml|qemu|bwrap/;

/** What there is of what a test could leave behind, by kind. */
type Sight = Readonly<Record<string, readonly string[]>>;

/** Folders that belong to the test program alone. */
export interface WatchedFolders {
  /** Homes of runtimes: what is in their `boxes` counts. */
  readonly homes: string;
  /** The TMPDIR of this program. */
  readonly temporary: string;
}

/**
 * Fails a test that leaves more than it found, and the suite if there is anything left when it is over. To be called
 * at the end of a suite's body, so that its own clean-up comes first.
 */
export function watchForLeaks(folders: WatchedFolders): void {
  let before = look(folders);
  const atFirst = before;
  beforeEach(() => {
    before = look(folders);
  });
  afterEach(() => expectNothingSince(before, folders));
  after(() => expectNothingSince(atFirst, folders));
}

async function expectNothingSince(before: Sight, folders: WatchedFolders): Promise<void> {
  await eventuallyNone('left behind', () =>
    Object.entries(look(folders)).flatMap(([kind, now]) =>
      surplus(now, before[kind] ?? []).map((name) => `${kind} ${name}`),
    ),
  );
}

function look({ homes, temporary }: WatchedFolders): Sight {
  const ours = descendants();
  const isOrphan = ({ pid }: ProcessEntry) => ours.every((entry) => entry.pid !== pid);
  return {
    // What runs inside a VMM that is still there comes and goes.
    process: ours.filter(({ parent }) => parent === process.pid).map(describeProcess),
    orphan: processesWithFilesIn(homes).filter(isOrphan).map(describeProcess),
    box: readdirSync(homes).flatMap((home) => listing(`${homes}/${home}/boxes`)),
    'temporary file': listing(temporary),
    'shared memory': listing('/dev/shm').filter((name) => OUR_NAMES.test(name)),
    handle: process.getActiveResourcesInfo().filter((name) => RESOURCES.includes(name)),
  };
}

function describeProcess({ pid, name }: ProcessEntry): string {
  return `${pid} ${name}`;
}

function listing(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => `${directory}/${name}`);
  } catch {
    return [];
  }
}

/** What `now` has more of, counting equal ones. */
function surplus(now: readonly string[], before: readonly string[]): string[] {
  const known = [...before];
  return now.filter((name) => {
    const at = known.indexOf(name);
    if (at >= 0) known.splice(at, 1);
    return at < 0;
  });
}
