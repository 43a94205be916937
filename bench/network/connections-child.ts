/** The owner of a box that has a thousand connections at once, again and again; what it holds afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineName } from '../../src/index.ts';
import { HOST_ALIAS } from '../../src/network/addresses.ts';
import { report, settledMemory } from '../child.ts';
import { Subject } from '../subject.ts';
import { compileLoad, loadOf, PROGRAM } from './load.ts';
import { Servers } from './servers.ts';

export const CONNECTIONS = 1_000;
const ROUNDS = 4;
/** V8 gives the young more room while they come: by then it has. */
const WARM_UP_ROUNDS = 3;

/** What was seen. */
export interface ManyConnections {
  /** Of all rounds. */
  readonly served: number;
  /** Bytes more than after the round before, one for each round. */
  readonly grown: readonly number[];
  /** The rounds' durations, in ms. */
  readonly ms: readonly number[];
}

const [engine = ''] = process.argv.slice(2);
await using subject = await Subject.create(engine as EngineName);
using servers = await Servers.start();
await using box = await subject.box();
await box.copyIn(compileLoad(subject), PROGRAM);
const load = loadOf((argv) => box.run(argv));
let served = 0;
let before = 0;
const grown: number[] = [];
const ms: number[] = [];
for (let round = 1 - WARM_UP_ROUNDS; round <= ROUNDS; round++) {
  const started = performance.now();
  const said = await load('many', HOST_ALIAS.v4, servers.serving.echo, CONNECTIONS);
  const took = performance.now() - started;
  while ((await box.metrics()).networkTcpConnections !== 0) await sleep(10);
  const memory = settledMemory();
  if (round <= 0) {
    before = memory;
    continue;
  }
  ms.push(took);
  served += Number(/echoed (\d+)/.exec(said)?.[1]);
  grown.push(memory - before);
  before = memory;
}
report({ served, grown, ms } satisfies ManyConnections);
