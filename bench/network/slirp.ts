/**
 * A box under `tcg` with two ways to the host: its own network, and QEMU's `-netdev user`, which is called slirp. Both
 * are measured in one guest; its kernel is Debian's, as ours has no driver for the card that slirp needs.
 *
 * For slirp to reach servers of this machine the VMM runs without the jail.
 */
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDir } from '../../src/base/env.ts';
import { type ExecHost, Execution } from '../../src/box/execution.ts';
import { BoxDisks } from '../../src/disk/box-disk.ts';
import { initramfs, writeCpio } from '../../src/engine/initramfs.ts';
import { imageFromDirectory } from '../../src/image/directory.ts';
import { SecurityOptions } from '../../src/index.ts';
import { PolicyUplink } from '../../src/network/policy-uplink.ts';
import { CertificateAuthority } from '../../src/network/tls/authority.ts';
import { runCommand } from '../../src/process/run.ts';
import { findAgent, readAgent } from '../../src/runtime/agent.ts';
import { type Booted, boot } from '../../src/runtime/boot.ts';
import { Host, type ReadyEngine } from '../../src/runtime/host.ts';
import { parseBoxOptions } from '../../src/spec/parse-options.ts';
import { MACHINE, type Subject } from '../subject.ts';
import { cardKernel } from './card-kernel.ts';
import { type Load, loadOf, PROGRAM } from './load.ts';

const INIT = fileURLToPath(new URL('slirp-init.c', import.meta.url));
const AGENT = fileURLToPath(new URL('../../guest', import.meta.url));
const CARD = '-netdev user,id=slirp -device virtio-net-pci,netdev=slirp,romfile=';
/** What slirp calls the host. */
export const SLIRP_HOST = '10.0.2.2';

/** A command's counters and its hold on this program are of no interest here. */
const nobody: ExecHost = {
  counters: { sent: () => undefined, received: () => undefined, ran: () => undefined },
  busy: (work) => work,
};

/** See the top of this file. */
export class SlirpBox implements AsyncDisposable {
  readonly #booted: Booted;

  private constructor(booted: Booted) {
    this.#booted = booted;
  }

  static async boot(subject: Subject, program: string): Promise<SlirpBox> {
    const folder = join(subject.scratch, 'slirp');
    await mkdir(folder, { recursive: true });
    const image = await makeImage(folder, program);
    const host = new SlirpHost(await slirpEngine(subject, folder));
    const disks = new BoxDisks(cacheDir(), runCommand);
    const security = SecurityOptions.builder().jailerEnabled(false).resourceLimits({}).build();
    const spec = parseBoxOptions(
      { ...MACHINE, engine: 'tcg', security },
      {
        cpus: availableParallelism(),
        memoryMib: Math.floor(totalmem() / 1024 ** 2),
        platform: process.platform,
      },
    );
    const booted = await boot({
      host,
      spec,
      hostname: 'slirp',
      image: async () => ({ disk: image, stored: null, config: null }),
      disk: () => disks.create({ unnamedIn: folder }, spec.diskSizeGb),
      providers: new Map(),
      uplink: new PolicyUplink({
        rules: [],
        secrets: [],
        authority: () => new CertificateAuthority('bench'),
        onRefused: () => undefined,
      }),
      onTraffic: () => undefined,
    });
    return new SlirpBox(booted);
  }

  /** Runs the program. */
  readonly load: Load = loadOf((argv) => {
    const request = { argv, env: [], cwd: '/', makeCwd: false, user: '', tty: null };
    const { channel } = this.#booted.vm.portal;
    return Execution.start(channel, { ...request, timeoutMs: null }, nobody);
  });

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#booted.resources[Symbol.asyncDispose]();
  }
}

/** Says which engine boots. */
class SlirpHost extends Host {
  /** The guest has a card, of which a snapshot has none. */
  override readonly snapshots = { open: async () => null };
  readonly #ready: ReadyEngine;

  constructor(ready: ReadyEngine) {
    super({ cacheDir: cacheDir(), path: '', run: runCommand });
    this.#ready = ready;
  }

  override async engine(): Promise<ReadyEngine> {
    return this.#ready;
  }
}

/** The subject's, with another kernel, a card, and an init before the agent that sets the card up. */
async function slirpEngine({ ready }: Subject, folder: string): Promise<ReadyEngine> {
  const kernel = await cardKernel(cacheDir());
  const init = join(folder, 'init');
  const flags = ['-Os', '-static', '-s', '-I', AGENT];
  const built = await runCommand('musl-gcc', [...flags, '-o', init, INIT]);
  if (built.code !== 0) throw new Error(`musl-gcc: ${built.stderr}`);
  const modules = await Promise.all(kernel.modules.map((path) => readFile(path)));
  const agent = await readAgent(await findAgent(kernel.arch));
  const archive = join(folder, 'initramfs.cpio');
  await writeFile(
    archive,
    Buffer.concat([
      initramfs(await readFile(init), modules),
      writeCpio([{ name: 'agent', mode: 0o100755, data: agent }]),
    ]),
  );
  const vmm = join(folder, 'qemu');
  await writeFile(vmm, `#!/bin/sh\nexec ${ready.vmm.executable} "$@" ${CARD}\n`);
  await chmod(vmm, 0o755);
  return { ...ready, kernel, initramfs: archive, vmm: { ...ready.vmm, executable: vmm } };
}

/** Of one program. */
async function makeImage(folder: string, program: string): Promise<string> {
  const tree = join(folder, 'tree');
  for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp']) {
    await mkdir(join(tree, name), { recursive: true });
  }
  await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0:root:/:/bin/false\n');
  await copyFile(program, join(tree, PROGRAM));
  const image = join(folder, 'image.erofs');
  await imageFromDirectory(tree, image);
  return image;
}
