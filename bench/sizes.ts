/** What every box's guest is brought: the agent, and the initramfs it comes in. */
import { stat } from 'node:fs/promises';
import { findAgent } from '../src/runtime/agent.ts';
import { atMost, type Figure, figure } from './figure.ts';
import type { Subject } from './subject.ts';

const KIB = 1024;

export async function sizes({ engine, ready }: Subject): Promise<Figure[]> {
  const agent = await stat((await findAgent(ready.kernel.arch)).path);
  const initramfs = await stat(ready.initramfs);
  const own = ready.kernel.origin === 'own';
  return [
    figure(engine, {
      name: 'agent binary',
      unit: 'KiB',
      samples: [agent.size / KIB],
      target: atMost(400),
    }),
    figure(engine, {
      name: 'initramfs',
      unit: 'KiB',
      samples: [initramfs.size / KIB],
      // A distribution's kernel brings its modules.
      ...(own ? { target: atMost(600) } : { note: 'with modules of a distribution kernel' }),
    }),
  ];
}
