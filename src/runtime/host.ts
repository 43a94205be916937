import { createHash } from 'node:crypto';
import { access, constants, readFile, stat } from 'node:fs/promises';
import { arch as hostArch, platform, tmpdir } from 'node:os';
import { BoxliteError, messageOf } from '../base/errors.ts';
import { enginePreference, engines } from '../engine/engine.ts';
import { resolveKernel } from '../engine/kernel/resolve.ts';
import { findProgram, findQemu, umlVmm } from '../engine/vmm.ts';
import type { EngineReport } from '../spec/info.ts';
import type { Architecture, EngineName, Kernel, RunCommand, Vmm } from '../spec/parts.ts';
import { findAgent } from './agent.ts';
import { cachedInitramfs } from './initramfs-cache.ts';
import { type ProbeResult, probe } from './probe.ts';
import { type Verdict, Verdicts } from './verdicts.ts';

/** Everything about a usable engine that boxes share. */
export interface ReadyEngine {
  readonly name: EngineName;
  readonly kernel: Kernel;
  readonly vmm: Vmm;
  readonly initramfs: string;
  readonly loopsPerJiffy: number | null;
  readonly bubblewrap: string;
}

/** Where a host keeps things, and how programs are run on it. */
export interface HostOptions {
  readonly cacheDir: string;
  /** The `PATH` in which QEMU and bubblewrap are looked for. */
  readonly path: string;
  readonly run: RunCommand;
  /** Told what takes long, such as downloading a kernel. */
  readonly onProgress?: (message: string) => void;
}

/** Which engines make sense on which system. */
const enginesByPlatform: Partial<Record<NodeJS.Platform, readonly EngineName[]>> = {
  linux: ['kvm', 'uml', 'tcg'],
  darwin: ['hvf', 'tcg'],
};

/** Folders in which unnamed memory can be made, the fastest first. */
export const scratchDirectories: readonly string[] = ['/dev/shm', tmpdir()];

/** What this host can run, found out once and remembered until it reboots or the engine's files change. */
export class Host {
  readonly options: HostOptions;
  readonly #verdicts: Verdicts;
  readonly #ready = new Map<EngineName, Promise<ReadyEngine>>();

  constructor(options: HostOptions) {
    this.options = options;
    this.#verdicts = new Verdicts(options.cacheDir);
  }

  /**
   * The engine to use. `auto` is the first that works.
   * @throws BoxliteError `UnsupportedEngine` if the system has no such engine, `Engine` if it does not work.
   */
  async engine(choice: EngineName | 'auto', signal?: AbortSignal): Promise<ReadyEngine> {
    if (choice !== 'auto') return this.#get(choice, signal);
    const reasons: string[] = [];
    for (const name of this.#candidates()) {
      try {
        return await this.#get(name, signal);
      } catch (error) {
        signal?.throwIfAborted();
        reasons.push(`${name}: ${firstLine(error)}`);
      }
    }
    throw new BoxliteError(
      'Engine',
      `No engine works on this host; "boxlite doctor" tells what to do.\n${reasons.join('\n')}`,
    );
  }

  /** What was found out about every engine, the preferred first. Probes what has not been probed. */
  async reports(signal?: AbortSignal): Promise<EngineReport[]> {
    const reports: EngineReport[] = [];
    for (const name of enginePreference) reports.push(await this.#report(name, signal));
    return reports;
  }

  #candidates(): readonly EngineName[] {
    return enginesByPlatform[platform()] ?? [];
  }

  #get(name: EngineName, signal?: AbortSignal): Promise<ReadyEngine> {
    const known = this.#ready.get(name);
    if (known !== undefined) return known;
    const ready = this.#prepare(name, signal);
    this.#ready.set(name, ready);
    ready.catch(() => this.#ready.delete(name));
    return ready;
  }

  async #prepare(name: EngineName, signal?: AbortSignal): Promise<ReadyEngine> {
    if (!this.#candidates().includes(name)) {
      throw new BoxliteError('UnsupportedEngine', `There is no engine "${name}" on ${platform()}`);
    }
    const bubblewrap = await this.#bubblewrap();
    if (name === 'kvm') await checkKvm();
    const arch = guestArchitecture();
    if (name === 'uml' && arch !== 'x64') {
      throw new BoxliteError('UnsupportedEngine', 'User-mode Linux runs on x86-64 only');
    }
    const { run, cacheDir, onProgress } = this.options;
    const kernel = await resolveKernel(engines[name].flavor, arch, {
      cacheDir,
      run,
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    });
    const agent = await findAgent(arch);
    const initramfs = await cachedInitramfs(cacheDir, kernel, agent);
    const key = await verdictKey([
      name,
      kernel.id,
      initramfs,
      await this.#vmmIdentity(name, kernel),
    ]);
    const verdict =
      (await this.#verdicts.get(name, key)) ??
      (await this.#judge({ name, kernel, initramfs, bubblewrap, key, signal }));
    if (verdict.vmm === null) throw new BoxliteError('Engine', verdict.reason);
    const { vmm, loopsPerJiffy } = verdict;
    return { name, kernel, vmm, initramfs, loopsPerJiffy, bubblewrap };
  }

  async #judge(input: {
    name: EngineName;
    kernel: Kernel;
    initramfs: string;
    bubblewrap: string;
    key: string;
    signal: AbortSignal | undefined;
  }): Promise<Verdict> {
    const { name, kernel, initramfs, bubblewrap, key, signal } = input;
    const verdict = await this.#vmm(name, kernel)
      .then(async (vmm) => {
        const scratch = scratchDirectories;
        const result = await probe(
          { engine: name, kernel, vmm, initramfs, bubblewrap, scratch },
          signal,
        );
        return good(key, vmm, result);
      })
      .catch((error: unknown): Verdict => {
        signal?.throwIfAborted();
        return { key, vmm: null, loopsPerJiffy: null, bootMs: null, reason: messageOf(error) };
      });
    // Hardware does not change by itself; anything else may have failed because the host was busy.
    if (verdict.vmm !== null || name === 'kvm' || name === 'hvf') {
      await this.#verdicts.set(name, verdict);
    }
    return verdict;
  }

  #vmm(name: EngineName, kernel: Kernel): Promise<Vmm> {
    const { run, path } = this.options;
    return name === 'uml' ? umlVmm(kernel, run) : findQemu(kernel.arch, path, run);
  }

  /** Tells one version of the VMM from another without running it. */
  async #vmmIdentity(name: EngineName, kernel: Kernel): Promise<string> {
    if (name === 'uml') return kernel.id;
    const program = kernel.arch === 'x64' ? 'qemu-system-x86_64' : 'qemu-system-aarch64';
    const path = await findProgram(program, this.options.path);
    return path === null ? 'none' : fileIdentity(path);
  }

  async #bubblewrap(): Promise<string> {
    const path = await findProgram('bwrap', this.options.path);
    if (path !== null) return path;
    throw new BoxliteError(
      'Config',
      'Cannot find "bwrap", in which every VMM runs: install bubblewrap (Debian: apt-get install bubblewrap)',
    );
  }

  async #report(name: EngineName, signal?: AbortSignal): Promise<EngineReport> {
    try {
      const ready = await this.#get(name, signal);
      const { origin, version, path } = ready.kernel;
      return {
        engine: name,
        usable: true,
        reason: '',
        remedy: '',
        kernel: { origin, version, path },
        vmm: ready.vmm.version,
        bootMs: (await this.#verdicts.load()).get(name)?.bootMs ?? null,
      };
    } catch (error) {
      signal?.throwIfAborted();
      const reason = messageOf(error);
      const remedy = remedyFor(name, reason);
      return { engine: name, usable: false, reason, remedy, kernel: null, vmm: null, bootMs: null };
    }
  }
}

function good(key: string, vmm: Vmm, { bootMs, loopsPerJiffy }: ProbeResult): Verdict {
  return { key, vmm, loopsPerJiffy, bootMs, reason: '' };
}

/** What to do about an engine that does not work, as far as that can be told from why. */
export function remedyFor(engine: EngineName, reason: string): string {
  if (/namespace|uid map|Operation not permitted/i.test(reason)) {
    return (
      'allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1; on Ubuntu also ' +
      'kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for bwrap)'
    );
  }
  if (engine === 'kvm') {
    return (
      'enable hardware virtualisation in the firmware, or nested virtualisation where this host is a ' +
      'guest itself; until then "uml" or "tcg" do the work'
    );
  }
  return /install|apt-get/.test(reason) ? '' : 'run "boxlite doctor --debug" and read the console';
}

async function checkKvm(): Promise<void> {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch (cause) {
    const denied = (cause as NodeJS.ErrnoException).code === 'EACCES';
    throw new BoxliteError(
      'Engine',
      denied
        ? 'No access to /dev/kvm: add the user to the group "kvm" and log in again'
        : 'There is no /dev/kvm: the processor or the host offers no hardware virtualisation',
      { cause },
    );
  }
}

/** The architecture of guests, which is the host's. */
export function guestArchitecture(): Architecture {
  const arch = hostArch();
  if (arch === 'x64' || arch === 'arm64') return arch;
  throw new BoxliteError('UnsupportedEngine', `BoxLite runs on x86-64 and arm64, not on ${arch}`);
}

async function fileIdentity(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  return `${path}:${size}:${mtimeMs}`;
}

async function verdictKey(parts: readonly string[]): Promise<string> {
  // A reboot may bring another host kernel or other settings; macOS has no such file and no such need.
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return createHash('sha256')
    .update(JSON.stringify([boot.trim(), ...parts]))
    .digest('hex');
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? '';
}
