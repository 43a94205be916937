import { buildKernels, type KernelFlavor, listKernels } from '../../index.ts';
import { parseCommandLine, parseOptions, UsageError } from '../arguments.ts';
import { listFormat } from '../table.ts';

export const kernelUsage = `boxlite kernel ls [--format table|json]
boxlite kernel build [--source TARBALL] [uml] [vm]

Lists the guest kernels of this host, or builds our own minimal ones, which boot several times faster than
the distribution's: "uml" for user-mode Linux, "vm" for QEMU. Without a name it builds what this host uses.

Examples:
    boxlite kernel ls
    boxlite kernel build`;

export async function kernel(args: readonly string[]): Promise<number> {
  const [action, ...others] = args;
  if (action === 'ls') return list(others);
  if (action === 'build') return build(others);
  throw new UsageError(`kernel: expected "ls" or "build", got "${action ?? ''}"`);
}

async function list(args: readonly string[]): Promise<number> {
  const values = parseOptions(args, { format: { type: 'string' } }, 'kernel ls');
  const format = listFormat(values.format);
  const kernels = await listKernels();
  if (format === 'json') {
    process.stdout.write(`${JSON.stringify(kernels, null, 2)}\n`);
    return 0;
  }
  for (const { flavor, version, origin, path } of kernels) {
    process.stdout.write(
      `${flavor.padEnd(4)} ${version.padEnd(28)} ${origin.padEnd(13)} ${path}\n`,
    );
  }
  return 0;
}

async function build(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, { source: { type: 'string' } });
  for (const flavor of rest) {
    if (flavor !== 'uml' && flavor !== 'vm') {
      throw new UsageError(`kernel build: expected "uml" or "vm", got "${flavor}"`);
    }
  }
  const show = progressLine();
  const built = await buildKernels({
    flavors: rest as KernelFlavor[],
    ...(values.source === undefined ? {} : { source: values.source }),
    onProgress: show,
  });
  for (const { version, path } of built) process.stdout.write(`${version}  ${path}\n`);
  return 0;
}

/** One line that is rewritten in a terminal; a line a step where there is none. */
function progressLine() {
  let last = '';
  return (progress: { message: string; percent: number | null; elapsedMs: number }) => {
    const percent = progress.percent === null ? '' : ` ${Math.round(progress.percent)} %`;
    if (process.stderr.isTTY) {
      const seconds = Math.round(progress.elapsedMs / 1000);
      process.stderr.write(`\r\x1b[K${progress.message}${percent} (${seconds} s)`);
    } else if (progress.message !== last) {
      process.stderr.write(`${progress.message}\n`);
    }
    last = progress.message;
  };
}
