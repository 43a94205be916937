// pure
import type { LaunchPlan } from '../spec/parts.ts';

/**
 * A profile for macOS's sandbox-exec, in its dialect of Scheme: nothing is allowed but what a plan names. Its rules are
 * read from the last to the first, and the first that fits decides.
 */

/** What any program reads before its first line: the dynamic linker's cache, and the system's own libraries. */
const SYSTEM = ['/usr/lib', '/System/Library', '/System/Cryptexes/OS', '/private/var/db/dyld'];

/** Where the VMM's own libraries may be, with all they load: Homebrew's folders. */
const PACKAGES = ['/opt/homebrew', '/usr/local'];

/**
 * The profile for a plan. With `networkEnabled` the VMM may use the network of the host; a box's network does not need
 * that, as it goes through the wire.
 * @throws RangeError for a path that a profile cannot name.
 */
export function sandboxProfile(plan: LaunchPlan, networkEnabled: boolean): string {
  const files = [plan.executable, ...plan.files.map(({ hostPath }) => hostPath)];
  const lines = [
    '(version 1)',
    '(deny default)',
    `(allow process-exec (literal ${quoted(plan.executable)}))`,
    // Threads and its own state, no other process.
    '(allow signal (target self))',
    '(allow sysctl-read)',
    '(allow mach-lookup (global-name "com.apple.system.notification_center"))',
    '(allow file-read-metadata)',
    ...[...SYSTEM, ...PACKAGES].map((path) => `(allow file-read* (subpath ${quoted(path)}))`),
    ...[...files, ...plan.libraries].map((path) => `(allow file-read* (literal ${quoted(path)}))`),
    // Disks, wire and console come as descriptors.
    '(allow file-read* file-write* (subpath "/dev/fd"))',
    '(allow file-read* file-write-data (literal "/dev/null") (literal "/dev/urandom"))',
    '(allow iokit-open (iokit-user-client-class "AppleHVClient"))',
    networkEnabled ? '(allow network*)' : '(deny network*)',
  ];
  return `${lines.join('\n')}\n`;
}

/** A string literal of Scheme. */
function quoted(text: string): string {
  for (const character of text) {
    if (character < ' ') throw new RangeError('a path with a control character');
  }
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
