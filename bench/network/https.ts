/** HTTPS of a box with a secret for the host, against one that goes through as it is. */
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { BoxOptions, LiteBox } from '../../src/index.ts';
import { HOST_ALIAS_NAME } from '../../src/network/addresses.ts';
import { copyProgram } from '../../test/vm/host-programs.ts';
import { atLeast, type Figure, figure } from '../figure.ts';
import { median } from '../stats.ts';
import type { Subject } from '../subject.ts';
import type { Servers } from './servers.ts';

const DOWN_MIB = 64;
const UP_MIB = 32;
const ROUNDS = 3;
const CURL = '/usr/bin/curl';

export async function https(subject: Subject, { serving }: Servers): Promise<Figure[]> {
  setDefaultCACertificates([...getCACertificates('default'), serving.authority]);
  const host = `${HOST_ALIAS_NAME}:${serving.secure}`;
  const secrets = [{ name: 'bench', hosts: [host], value: 'a-value-that-is-not-there' }];
  await using with_ = await ready(subject, { secrets });
  await using without = await ready(subject, {});
  const url = `https://${host}/`;
  const down = ['-w', '%{speed_download}', `${url}${DOWN_MIB}`];
  const up = [
    ...['-w', '%{speed_upload}', '-H', 'Content-Type: text/plain', '-H', 'Expect:'],
    ...['--data-binary', '@/body', `${url}0`],
  ];
  return [
    await compare(subject, `HTTPS with a secret, ${DOWN_MIB} MiB in`, with_, without, down),
    await compare(subject, `HTTPS with a secret, ${UP_MIB} MiB out`, with_, without, up),
  ];
}

/** A box with curl and a body to send. */
async function ready(subject: Subject, options: BoxOptions): Promise<LiteBox> {
  const box = await subject.box(options);
  await copyProgram(box, CURL);
  await run(box, ['sh', '-c', `yes boxlite | head -c ${UP_MIB * 1024 * 1024} > /body`]);
  return box;
}

async function compare(
  { engine }: Subject,
  name: string,
  with_: LiteBox,
  without: LiteBox,
  words: readonly string[],
): Promise<Figure> {
  const speed = async (box: LiteBox) => {
    const said = await run(box, [CURL, '-sSk', '-o', '/dev/null', ...words]);
    return Number(said) / 1e6;
  };
  const samples: number[] = [];
  const baseline: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    samples.push(await speed(with_));
    baseline.push(await speed(without));
  }
  const plain = { name: 'without', value: median(baseline) };
  const target = atLeast(0.5, 'ratio');
  return figure(engine, { name, unit: 'MB/s', samples, baseline: plain, target });
}

async function run(box: LiteBox, argv: [string, ...string[]]): Promise<string> {
  await using execution = await box.run(argv);
  const { exitCode, stdout, stderr } = await execution.output();
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  return stdout;
}
