import { constants, readdir, realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { BoxliteError } from '../base/errors.ts';
import { isThere } from '../base/is-there.ts';
import type { Architecture, Kernel, RunCommand, Vmm } from '../spec/parts.ts';
import { existing, sharedLibraries } from './libraries.ts';

/** QEMU's firmware, where distributions and Homebrew put it. */
const QEMU_DATA = [
  '/usr/share/qemu',
  '/usr/share/seabios',
  '/usr/local/share/qemu',
  '/opt/homebrew/share/qemu',
];

/** Folders in which distributions keep what QEMU loads while it runs. */
const QEMU_MODULES = [
  '/usr/lib/x86_64-linux-gnu/qemu',
  '/usr/lib/aarch64-linux-gnu/qemu',
  '/usr/lib64/qemu-kvm',
];

/** Loaded by name when a thread of UML ends, so `ldd` does not show it. */
const UML_LATE_LIBRARIES = [
  '/lib/x86_64-linux-gnu/libgcc_s.so.1',
  '/usr/lib64/libgcc_s.so.1',
  '/usr/lib/libgcc_s.so.1',
];

const qemuPrograms: Readonly<Record<Architecture, string>> = {
  x64: 'qemu-system-x86_64',
  arm64: 'qemu-system-aarch64',
};

/** The QEMU program for guests of an architecture. */
export function qemuProgram(arch: Architecture): string {
  return qemuPrograms[arch];
}

/**
 * The first file of that name in a `PATH` that may be executed, or null. Folders that are seen from wherever this program
 * is are left out: what is found there is executed from elsewhere, and anybody may have put it there.
 */
export async function findProgram(name: string, path: string): Promise<string | null> {
  for (const directory of path.split(':').filter(isAbsolute)) {
    const candidate = join(directory, name);
    if (await isThere(candidate, constants.X_OK)) return candidate;
  }
  return null;
}

/** @throws BoxliteError `Engine` if QEMU is not installed. */
export async function findQemu(arch: Architecture, path: string, run: RunCommand): Promise<Vmm> {
  const name = qemuProgram(arch);
  const found = await findProgram(name, path);
  if (found === null) {
    throw new BoxliteError(
      'Engine',
      `Cannot find "${name}": install QEMU (Debian: apt-get install --no-install-recommends ` +
        `qemu-system-${arch === 'x64' ? 'x86' : 'arm'}; macOS: brew install qemu)`,
    );
  }
  // A link to it may lie where the jail has something else.
  const executable = await realpath(found);
  const [version, objects, libraries, modules] = await Promise.all([
    run(executable, ['--version']),
    run(executable, ['-object', 'help']),
    sharedLibraries(executable, run),
    emulatorModules(arch),
  ]);
  return {
    executable,
    version: /version (\S+)/.exec(version.stdout)?.[1] ?? 'unknown',
    libraries: [executable, ...libraries, ...modules, ...(await existing(QEMU_DATA))],
    memfd: objects.stdout.includes('memory-backend-memfd'),
  };
}

/** Debian builds the emulator itself as a module. */
async function emulatorModules(arch: Architecture): Promise<string[]> {
  const wanted = `accel-tcg-${arch === 'x64' ? 'x86_64' : 'aarch64'}.so`;
  const found: string[] = [];
  for (const folder of QEMU_MODULES) {
    const names = await readdir(folder).catch((): string[] => []);
    if (names.includes(wanted)) found.push(join(folder, wanted));
  }
  return found;
}

/** A UML kernel is its own VMM. @throws BoxliteError `Engine` if it may not be executed where it is. */
export async function umlVmm(kernel: Kernel, run: RunCommand): Promise<Vmm> {
  if (!(await isThere(kernel.path, constants.X_OK))) {
    throw new BoxliteError(
      'Engine',
      `Cannot execute the kernel "${kernel.path}": its file system (mounted "noexec"?) or its mode forbids that; ` +
        'name a folder elsewhere with BOXLITE_CACHE',
    );
  }
  const libraries = await sharedLibraries(kernel.path, run);
  const late = libraries.length === 0 ? [] : (await existing(UML_LATE_LIBRARIES)).slice(0, 1);
  return {
    executable: kernel.path,
    version: kernel.version,
    libraries: [...libraries, ...late],
    memfd: false,
  };
}
