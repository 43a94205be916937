/**
 * The last part of `npm run release`: makes the npm packages with our kernels, one for each platform, in the folder that is
 * named, by default this one. Kernels that have not been built yet are, which takes minutes.
 *
 *     node scripts/kernel-packages.ts [FOLDER]
 *
 * A kernel is Linux's, under its licence: each package says from which source it was made, and has the configuration, our
 * patches and the licence with it.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readOwnKernel } from '../src/engine/kernel/own.ts';
import { kernelPackageName } from '../src/engine/kernel/packaged.ts';
import { buildKernels, type Kernel, type KernelFlavor } from '../src/index.ts';

const top = fileURLToPath(new URL('..', import.meta.url));
/** Where Debian keeps the text. */
const GPL_2 = '/usr/share/common-licenses/GPL-2';

/** Which systems a kernel for x86-64 serves, and with which flavors. There is no configuration for arm64 yet. */
const platforms: readonly (readonly [NodeJS.Platform, readonly KernelFlavor[]])[] = [
  ['linux', ['uml', 'vm']],
  ['darwin', ['vm']],
];

function sourceNote(kernels: readonly { flavor: KernelFlavor; version: string; source: string }[]) {
  const lines = kernels.map(
    ({ flavor, version, source }) =>
      `- \`${flavor}/\`: Linux ${version}, from Debian's source package \`${source}\``,
  );
  return `# The guest kernels of BoxLite

With this package beside \`boxlite\`, boxes boot on the kernels in it: smaller and faster than those that distributions
package, and nothing has to be built. There is nothing to import.

${lines.join('\n')}

Linux is licensed under the GNU General Public License, version 2, of which \`LICENSE\` has the text. Its source is what Debian
publishes under that name and version, and keeps at https://snapshot.debian.org/package/linux/. The kernels were made from it by
\`boxlite kernel build\`, with the patches in \`patches/\` and the configuration in the \`config\` beside each.
`;
}

async function writePackage(
  folder: string,
  system: NodeJS.Platform,
  kernels: readonly Kernel[],
): Promise<void> {
  const sources = [];
  for (const { flavor, path } of kernels) {
    const from = dirname(path);
    const found = await readOwnKernel(from);
    if (found === null) throw new Error(`${from} is not a kernel of ours`);
    cpSync(from, join(folder, flavor), { recursive: true });
    sources.push({ flavor, version: found.record.version, source: found.record.source });
  }
  cpSync(join(top, 'kernel/patches'), join(folder, 'patches'), { recursive: true });
  cpSync(GPL_2, join(folder, 'LICENSE'), { dereference: true });
  writeFileSync(join(folder, 'README.md'), sourceNote(sources));
  const { version } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8'));
  const about = {
    name: kernelPackageName(system, 'x64'),
    version,
    description: `Guest kernels of BoxLite for ${system} on x86-64`,
    license: 'GPL-2.0-only WITH Linux-syscall-note',
    os: [system],
    cpu: ['x64'],
    files: [...sources.map(({ flavor }) => flavor), 'patches', 'LICENSE', 'README.md'],
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(about, null, 2)}\n`);
}

const target = resolve(process.argv[2] ?? '.');
const kernels = await buildKernels({ onProgress: ({ message }) => console.error(message) });
const scratch = mkdtempSync(join(tmpdir(), 'boxlite-kernel-packages-'));
try {
  for (const [system, flavors] of platforms) {
    const folder = join(scratch, system);
    mkdirSync(folder);
    await writePackage(
      folder,
      system,
      kernels.filter(({ flavor }) => flavors.includes(flavor)),
    );
    const args = ['pack', '--loglevel=error', '--pack-destination', target, folder];
    process.stdout.write(execFileSync('npm', args, { encoding: 'utf8' }));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
