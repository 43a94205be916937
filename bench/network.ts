/**
 * The network: streams, small exchanges, many connections, and what it costs that a secret is put in. Under `tcg` also
 * against QEMU's own `-netdev user`, in the same guest. Servers are on this machine.
 */
import { HOST_ALIAS } from '../src/network/addresses.ts';
import { measureInChild } from './child.ts';
import { atLeast, atMost, type Figure, figure, type Measurement } from './figure.ts';
import type { ManyConnections } from './network/connections-child.ts';
import { https } from './network/https.ts';
import { compileLoad, type Load, loadOf, PROGRAM } from './network/load.ts';
import { Servers } from './network/servers.ts';
import { SLIRP_HOST, SlirpBox } from './network/slirp.ts';
import { median } from './stats.ts';
import type { Subject } from './subject.ts';

const STREAM_MIB = 256;
const ROUNDS = 5;
const EXCHANGES = 300;

/** The figures of boxes as they are. */
export async function network(subject: Subject): Promise<Figure[]> {
  using servers = await Servers.start();
  await using box = await subject.box();
  await box.copyIn(compileLoad(subject), PROGRAM);
  const load = loadOf((argv) => box.run(argv));
  const way = { load, host: HOST_ALIAS.v4, servers };
  await streamOut(way, 16);
  await streamIn(way, 16);
  const out: number[] = [];
  const back: number[] = [];
  const exchanges: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    out.push(await streamOut(way, STREAM_MIB));
    back.push(await streamIn(way, STREAM_MIB));
    exchanges.push(await exchange(way));
  }
  const target = subject.engine === 'uml' ? { target: atLeast(60) } : {};
  const of = (measurement: Measurement) => figure(subject.engine, measurement);
  return [
    of({ name: `TCP out, ${STREAM_MIB} MiB`, unit: 'MB/s', samples: out, ...target }),
    of({ name: `TCP in, ${STREAM_MIB} MiB`, unit: 'MB/s', samples: back, ...target }),
    of({ name: 'HTTP exchange', unit: 'ms', samples: exchanges }),
    await manyConnections(subject),
    ...(await https(subject, servers)),
  ];
}

/** What the owner holds after 1000 connections at once that it did not hold after those before them. */
async function manyConnections({ engine }: Subject): Promise<Figure> {
  const script = 'network/connections-child.ts';
  const { served, grown, ms } = await measureInChild<ManyConnections>(script, [engine]);
  return figure(engine, {
    name: 'memory added by 1000 connections at once',
    unit: 'MiB',
    samples: grown.map((bytes) => bytes / 1024 ** 2),
    target: atMost(1),
    note: `${served} connections were served, 1000 at once, each 1000 in ${median(ms).toFixed(0)} ms`,
  });
}

/** The same against slirp, both ways out of one guest by turns. */
export async function slirp(subject: Subject): Promise<Figure[]> {
  if (subject.engine !== 'tcg') return [];
  using servers = await Servers.start();
  await using box = await SlirpBox.boot(subject, compileLoad(subject));
  const own = { load: box.load, host: HOST_ALIAS.v4, servers };
  const other = { load: box.load, host: SLIRP_HOST, servers };
  for (const way of [own, other]) {
    await streamOut(way, 16);
    await streamIn(way, 16);
  }
  const rows: [Omit<Measurement, 'samples' | 'baseline'>, (way: Way) => Promise<number>][] = [
    [
      { name: `TCP out, ${STREAM_MIB} MiB`, unit: 'MB/s', target: atLeast(1, 'ratio') },
      (way) => streamOut(way, STREAM_MIB),
    ],
    [
      { name: `TCP in, ${STREAM_MIB} MiB`, unit: 'MB/s', target: atLeast(1, 'ratio') },
      (way) => streamIn(way, STREAM_MIB),
    ],
    [{ name: 'HTTP exchange', unit: 'ms', target: atMost(1.2, 'ratio') }, exchange],
  ];
  const figures: Figure[] = [];
  for (const [row, measure] of rows) {
    const samples: number[] = [];
    const baseline: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      samples.push(await measure(own));
      baseline.push(await measure(other));
    }
    figures.push(
      figure('tcg', { ...row, samples, baseline: { name: 'slirp', value: median(baseline) } }),
    );
  }
  return figures;
}

/** A way from a box to the servers. */
interface Way {
  readonly load: Load;
  readonly host: string;
  readonly servers: Servers;
}

function streamOut({ load, host, servers }: Way, mebibytes: number): Promise<number> {
  return servers.streamed(() => load('pour', host, servers.serving.sink, mebibytes));
}

function streamIn({ load, host, servers }: Way, mebibytes: number): Promise<number> {
  return servers.streamed(() => load('drink', host, servers.serving.source, mebibytes));
}

/** The median of many, in ms. */
async function exchange({ load, host, servers }: Way): Promise<number> {
  const printed = await load('exchanges', host, servers.serving.web, EXCHANGES);
  return Number(/p50 ([\d.]+)/.exec(printed)?.[1]);
}
