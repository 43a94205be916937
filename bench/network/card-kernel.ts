/** Debian's kernel as boxes use it, with the driver of a virtio network card, which boxes have no use for. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openApt } from '../../src/engine/kernel/apt.ts';
import { downloadDebianKernel, mustShow, unpackDeb } from '../../src/engine/kernel/debian.ts';
import { findMirror } from '../../src/engine/kernel/mirror.ts';
import { decompressModule } from '../../src/engine/kernel/plain.ts';
import { modulePaths } from '../../src/engine/kernel/select.ts';
import { makeStaging } from '../../src/engine/kernel/staging.ts';
import { runCommand } from '../../src/process/run.ts';
import type { Kernel } from '../../src/spec/parts.ts';

/** In the order in which they are inserted. */
const DRIVERS = ['failover', 'net_failover', 'virtio_net'] as const;

/** @throws BoxliteError where there is no apt, or it cannot download */
export async function cardKernel(cacheDir: string): Promise<Kernel> {
  const options = { cacheDir, arch: 'x64', run: runCommand } as const;
  const kernel = await downloadDebianKernel('vm', options);
  const folder = join(cacheDir, 'bench', `card-${kernel.id}`);
  const found = await stat(folder).catch(() => null);
  if (found === null) await fetchDrivers(kernel, cacheDir, folder);
  const drivers = DRIVERS.map((name) => join(folder, `${name}.ko`));
  return { ...kernel, modules: [...kernel.modules, ...drivers] };
}

/** From the package that the kernel is of. */
async function fetchDrivers(kernel: Kernel, cacheDir: string, folder: string): Promise<void> {
  await using staging = await makeStaging(cacheDir);
  const mirror = await findMirror(runCommand);
  const apt = await openApt({
    dir: join(staging.path, 'apt'),
    sources: mirror.release,
    keyring: mirror.keyring,
    arch: 'x64',
    run: runCommand,
  });
  const image = await mustShow(apt, `linux-image-${kernel.version}`);
  const deb = await apt.download(image, join(staging.path, 'deb'));
  const unpacked = join(staging.path, 'unpacked');
  await unpackDeb(deb, unpacked, { run: runCommand });
  const modules = join(unpacked, 'lib/modules', kernel.version);
  const paths = await modulePaths(modules);
  await using drivers = await makeStaging(cacheDir);
  await mkdir(drivers.path, { recursive: true });
  for (const name of DRIVERS) {
    const path = paths.get(name);
    if (path === undefined) throw new Error(`the kernel ${kernel.version} has no module "${name}"`);
    await decompressModule(join(modules, path), drivers.path, { run: runCommand });
  }
  await drivers.moveTo(folder);
}
