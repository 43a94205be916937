/** Unpacks the same layers with umoci, as root, and with ours; and shows the kernel what we made. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { convertLayers } from '../../../src/image/convert.ts';
import type { Seen } from './erofs-reader.ts';
import { readErofs } from './erofs-reader.ts';
import { readHostTree } from './host-tree.ts';
import { writeLayout } from './oci-layout.ts';

/** Why the comparison cannot run here, or false. */
export function umociMissing(): string | false {
  if (process.getuid?.() !== 0) return 'umoci keeps owners and devices only as root';
  const path = (process.env['PATH'] ?? '').split(delimiter);
  const has = (program: string) => path.some((directory) => existsSync(join(directory, program)));
  const missing = ['umoci', 'getfattr', 'fsck.erofs'].filter((program) => !has(program));
  return missing.length > 0 && `not installed: ${missing.join(', ')}`;
}

/** Why the kernel cannot be asked, or false. */
export function mountMissing(): string | false {
  if (!/\terofs$/m.test(readFileSync('/proc/filesystems', 'utf8')))
    return 'no erofs in this kernel';
  return !existsSync('/dev/loop-control') && 'no loop devices';
}

export interface Unpacked {
  /** Null if umoci refused the image. */
  readonly theirs: Map<string, Seen> | null;
  /** Null if ours did. */
  readonly ours: Map<string, Seen> | null;
  readonly image: string;
  /** What the refusals said. */
  readonly messages: string;
}

/** Both ways, in a directory of their own. */
export async function unpackBoth(home: string, layers: readonly Buffer[]): Promise<Unpacked> {
  mkdirSync(home, { recursive: true });
  const layout = writeLayout(join(home, 'oci'), layers);
  const bundle = join(home, 'bundle');
  const umoci = spawnSync('umoci', ['unpack', '--image', `${layout.directory}:test`, bundle], {
    encoding: 'utf8',
  });
  const image = join(home, 'image');
  const sources = layout.layers.map(({ mediaType, diffId, packed }) => ({
    mediaType,
    diffId,
    async *open() {
      yield packed;
    },
  }));
  const problem = await convertLayers(sources, image).then(() => null, String);
  return {
    theirs: umoci.status === 0 ? readHostTree(join(bundle, 'rootfs')) : null,
    ours: problem === null ? readErofs(readFileSync(image)) : null,
    image,
    messages: `umoci: ${umoci.stderr}\nours: ${problem}`,
  };
}

/** What the kernel's own driver shows of an image. */
export function readMounted(image: string): Map<string, Seen> {
  const at = `${image}.mounted`;
  mkdirSync(at, { recursive: true });
  execFileSync('mount', ['-t', 'erofs', '-o', 'loop,ro', image, at], { stdio: 'pipe' });
  try {
    return readHostTree(at);
  } finally {
    execFileSync('umount', [at], { stdio: 'pipe' });
  }
}
