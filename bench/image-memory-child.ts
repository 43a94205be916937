/** The memory of a process that turns the gzip layers it is given into a disk. */
import { createReadStream } from 'node:fs';
import { convertLayers } from '../src/image/convert.ts';
import { report, settledMemory } from './child.ts';

const KIB = 1024;

/** Bytes of resident memory. */
export interface ConversionMemory {
  readonly idle: number;
  /** The most there ever was, by the kernel's account. */
  readonly peak: number;
}

const [destination = '', ...paths] = process.argv.slice(2);
const idle = settledMemory();
const layers = paths.map((path) => ({
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  diffId: null,
  open: () => createReadStream(path),
}));
await convertLayers(layers, destination);
report({ idle, peak: process.resourceUsage().maxRSS * KIB } satisfies ConversionMemory);
