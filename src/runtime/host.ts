import { platform } from 'node:os';
import { BoxliteError, messageOf } from '../base/errors.ts';
import { enginePreference, engines } from '../engine/engine.ts';
import type { OnKernelProgress } from '../engine/kernel/progress.ts';
import { resolveKernel } from '../engine/kernel/resolve.ts';
import { needsPreload } from '../engine/kernel-needs.ts';
import { sharedLibraries } from '../engine/libraries.ts';
import { findProgram, findQemu, qemuProgram, umlVmm } from '../engine/vmm.ts';
import type { JailPrograms } from '../jail/jail.ts';
import { SANDBOX_EXEC } from '../jail/sandbox.ts';
import type { EngineReport } from '../spec/info.ts';
import type { EngineName, Kernel, RunCommand, Vmm } from '../spec/parts.ts';
import { findAgent, findUmlPreload } from './agent.ts';
import { sweepCache } from './cache-sweep.ts';
import { type FoundPlace, findGroupPlace } from './control-groups.ts';
import {
  checkKvm,
  fileIdentity,
  guestArchitecture,
  hostEngines,
  remedyFor,
  requirePossible,
  scratchDirectories,
  verdictKey,
} from './host-checks.ts';
import { cachedInitramfs } from './initramfs-cache.ts';
import { findJailPrograms, requireDiskPrograms } from './jail-programs.ts';
import { makeFolder } from './own-folders.ts';
import { probe } from './probe.ts';
import { SharedWork } from './shared-work.ts';
import { Snapshots } from './snapshots.ts';
import { type Verdict, Verdicts } from './verdicts.ts';

/** Everything about a usable engine that boxes share. */
export interface ReadyEngine {
  readonly name: EngineName;
  readonly kernel: Kernel;
  readonly vmm: Vmm;
  readonly initramfs: string;
  readonly preload: string | null;
  readonly loopsPerJiffy: number | null;
  readonly programs: JailPrograms | null;
  /** How long the probe took to boot. */
  readonly bootMs: number | null;
}

/** Where a host keeps things, and how programs are run on it. */
export interface HostOptions {
  readonly cacheDir: string;
  /** The `PATH` in which QEMU and bubblewrap are looked for. */
  readonly path: string;
  readonly run: RunCommand;
  /** Told of what takes long, such as downloading a kernel. */
  readonly onProgress?: OnKernelProgress;
  /** Where VMMs have control groups; absent: where this host has a place for them. */
  readonly groupPlace?: FoundPlace;
  /** The system it is. Default: this one. */
  readonly platform?: NodeJS.Platform;
}

/** An engine on its way to being used. */
interface Attempt {
  readonly name: EngineName;
  readonly signal: AbortSignal | undefined;
  /** What was tried so far, for `doctor`. */
  readonly tried: string[];
}

/** What a verdict is about. */
type Candidate = Omit<ReadyEngine, 'vmm' | 'loopsPerJiffy' | 'bootMs'>;

/** What this host can run, found out once and remembered until it reboots or the engine's files change. */
export class Host {
  readonly options: HostOptions;
  readonly #verdicts: Verdicts;
  readonly #ready = new Map<EngineName, SharedWork<ReadyEngine>>();
  /** Of guests that boot slowly. */
  readonly snapshots: Pick<Snapshots, 'open'>;
  /** The system it is. */
  readonly platform: NodeJS.Platform;
  #groupPlace: FoundPlace | null = null;

  constructor(options: HostOptions) {
    this.options = options;
    this.platform = options.platform ?? platform();
    this.#verdicts = new Verdicts(options.cacheDir);
    this.snapshots = new Snapshots(options.cacheDir);
  }

  /**
   * The engine to use. `auto` is the first that works.
   * @throws BoxliteError `UnsupportedEngine` if the system has no such engine, `Engine` if it does not work.
   */
  async engine(choice: EngineName | 'auto', signal?: AbortSignal): Promise<ReadyEngine> {
    if (choice !== 'auto') return this.#get({ name: choice, signal, tried: [] });
    const reasons: string[] = [];
    for (const name of hostEngines(this.platform)) {
      try {
        return await this.#get({ name, signal, tried: [] });
      } catch (error) {
        signal?.throwIfAborted();
        reasons.push(`${name}: ${messageOf(error).split('\n')[0]}`);
      }
    }
    throw new BoxliteError(
      'Engine',
      `No engine works on this host; "boxlite doctor" tells what to do.\n${reasons.join('\n')}`,
    );
  }

  /** What is found out about every engine, the preferred first; `retry` doubts what was found before. */
  async reports({
    retry,
    signal,
  }: {
    readonly retry: boolean;
    readonly signal: AbortSignal | undefined;
  }): Promise<EngineReport[]> {
    const reports: EngineReport[] = [];
    if (retry) await this.#verdicts.forget();
    for (const name of enginePreference) reports.push(await this.#report(name, signal));
    return reports;
  }

  /** Where VMMs have control groups, looked for by the first call. */
  get groupPlace(): FoundPlace {
    this.#groupPlace ??= this.options.groupPlace ?? findGroupPlace();
    return this.#groupPlace;
  }

  #get(attempt: Attempt): Promise<ReadyEngine> {
    const known = this.#ready.get(attempt.name);
    if (known?.cancelled === false) return known.wait(attempt.signal);
    const ready = new SharedWork(async (signal) => {
      try {
        return await this.#prepare({ ...attempt, signal });
      } catch (error) {
        // What is missing may be installed by the next time.
        if (this.#ready.get(attempt.name) === ready) this.#ready.delete(attempt.name);
        throw error;
      }
    });
    this.#ready.set(attempt.name, ready);
    return ready.wait(attempt.signal);
  }

  async #prepare(attempt: Attempt): Promise<ReadyEngine> {
    const { name, tried } = attempt;
    requirePossible(name, this.platform);
    const programs = await findJailPrograms(this.options.path, this.platform);
    tried.push(`found ${programs?.bubblewrap ?? SANDBOX_EXEC}`);
    await requireDiskPrograms(this.options.path);
    makeFolder('Cannot make the cache', this.options.cacheDir, 'BOXLITE_CACHE');
    if (name === 'kvm') await checkKvm();
    const kernel = await this.#kernel(attempt);
    const agent = await findAgent(kernel.arch);
    const initramfs = await cachedInitramfs(this.options.cacheDir, kernel, agent);
    const preload = needsPreload(kernel) ? await findUmlPreload() : null;
    const candidate: Candidate = { name, kernel, initramfs, preload, programs };
    const key = await verdictKey([name, kernel.id, await this.#vmmIdentity(name, kernel)]);
    const remembered = await this.#verdicts.get(name, key);
    if (remembered !== null) tried.push('remembered what an earlier probe found');
    const verdict = remembered ?? (await this.#judge(candidate, key, attempt));
    if (verdict.vmm === null) throw new BoxliteError('Engine', verdict.reason);
    const { vmm, loopsPerJiffy, bootMs } = verdict;
    return { ...candidate, vmm, loopsPerJiffy, bootMs };
  }

  async #kernel({ name, signal, tried }: Attempt): Promise<Kernel> {
    const { run, cacheDir, onProgress } = this.options;
    const kernel = await resolveKernel(engines[name].flavor, guestArchitecture(), {
      cacheDir,
      run,
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    });
    tried.push(`found the kernel ${kernel.version} (${kernel.origin})`);
    return kernel;
  }

  async #judge(candidate: Candidate, key: string, attempt: Attempt): Promise<Verdict> {
    const { name } = candidate;
    const verdict = await this.#try(candidate, key, attempt).catch((error: unknown): Verdict => {
      attempt.signal?.throwIfAborted();
      return { key, vmm: null, loopsPerJiffy: null, bootMs: null, reason: messageOf(error) };
    });
    // Hardware does not change by itself; anything else may have failed because the host was busy.
    if (verdict.vmm !== null || name === 'kvm' || name === 'hvf') {
      await this.#verdicts.set(name, verdict);
      // Seldom, but not less than once a boot of this host.
      await sweepCache(this.options.cacheDir);
    }
    return verdict;
  }

  async #try(candidate: Candidate, key: string, { signal, tried }: Attempt): Promise<Verdict> {
    const { name, kernel } = candidate;
    const { run, path } = this.options;
    const found =
      name === 'uml' ? await umlVmm(kernel, run) : await findQemu(kernel.arch, path, run);
    const vmm = await this.#withLimiter(found, candidate.programs);
    tried.push(`booted a probe guest with ${name === 'uml' ? 'the kernel' : vmm.executable}`);
    const scratch = scratchDirectories;
    const result = await probe({ ...candidate, engine: name, vmm, scratch }, signal);
    return { key, vmm, ...result, reason: '' };
  }

  /** Tells one version of the VMM from another without running it. */
  async #vmmIdentity(name: EngineName, kernel: Kernel): Promise<string> {
    if (name === 'uml') return kernel.id;
    const path = await findProgram(qemuProgram(kernel.arch), this.options.path);
    return path === null ? 'none' : fileIdentity(path);
  }

  /** What sets the VMM's limits is executed inside the jail, so it has to be there with its libraries. */
  async #withLimiter(vmm: Vmm, programs: JailPrograms | null): Promise<Vmm> {
    if (programs === null) return vmm;
    const { prlimit } = programs;
    const own = [prlimit, ...(await sharedLibraries(prlimit, this.options.run))];
    return { ...vmm, libraries: [...new Set([...vmm.libraries, ...own])] };
  }

  async #report(name: EngineName, signal?: AbortSignal): Promise<EngineReport> {
    const tried: string[] = [];
    try {
      const { kernel, vmm, bootMs } = await this.#get({ name, signal, tried });
      if (this.platform === 'linux') tried.push(describePlace(this.groupPlace));
      const { origin, version, path } = kernel;
      const about = { kernel: { origin, version, path }, vmm: vmm.version, bootMs };
      return { engine: name, usable: true, reason: null, remedy: null, tried, ...about };
    } catch (error) {
      signal?.throwIfAborted();
      const reason = messageOf(error);
      const remedy = remedyFor(name, reason);
      const nothing = { kernel: null, vmm: null, bootMs: null };
      return { engine: name, usable: false, reason, remedy, tried, ...nothing };
    }
  }
}

function describePlace(place: FoundPlace): string {
  if ('folder' in place) return `found control groups for ${[...place.controllers].join(', ')}`;
  return (
    `found no control group to limit whole VMMs by: ${place.reason}. Boxes run all the same, each process ` +
    'within its limits; run this as root, or where systemd has delegated groups (systemd-run --user --scope)'
  );
}
