/**
 * All that one box can do, in a random order and several at once, each with an answer that is known. What one of them
 * does to the wire, to credit or to the disk must not be felt by another.
 *
 *     BOXLITE_EVERYTHING_SEED=1 BOXLITE_EVERYTHING_ROUNDS=2000 node --test test/vm/everything.test.ts
 */
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { BoxCommand, type BoxOptions, type LiteBox } from '../../src/index.ts';
import { type Dice, diceFrom } from './dice.ts';
import { folders, forEachEngine, shell, TestRuntime } from './fixture.ts';
import { inTime } from './polling.ts';
import { sha256 } from './sha256.ts';

const rounds = Number(process.env['BOXLITE_EVERYTHING_ROUNDS'] ?? 120);
const seed = Number(process.env['BOXLITE_EVERYTHING_SEED'] ?? randomInt(1, 0x7fffffff));
/** As many at once as there are; each waits for its own answer. */
const WORKERS = 6;
const ROUND_MS = 120_000;
const MIB = 1024 * 1024;

/** Where operations are done: files of a worker are in folders of its own. */
interface Place {
  readonly box: LiteBox;
  readonly dice: Dice;
  /** A folder of the worker, in the box. */
  readonly inBox: string;
  /** A folder of the worker in the volume, as the host and as the box call it. */
  readonly share: { readonly host: string; readonly box: string };
  /** A folder of the worker on the host. */
  readonly onHost: string;
  readonly url: string;
}

const operations: Readonly<Record<string, (place: Place) => Promise<void>>> = {
  async 'output of any size'({ box, dice }) {
    const bytes = dice(3 * MIB);
    const run = await box.run(['head', '-c', String(bytes), '/dev/zero']);
    let seen = 0;
    for await (const piece of run.stdout()?.bytes() ?? []) seen += piece.length;
    assert.equal(seen, bytes);
    assert.equal((await run.wait()).exitCode, 0);
  },

  async 'input of any size'({ box, dice }) {
    const input = randomBytes(dice(2 * MIB));
    const run = await box.run(['sha256sum']);
    const stdin = run.stdin();
    await stdin?.writeAll(input);
    await stdin?.close();
    assert.equal((await run.output()).stdout, `${sha256(input)}  -\n`);
  },

  async 'both at once'({ box, dice }) {
    const input = randomBytes(dice(MIB));
    const run = await box.run(['cat']);
    const stdin = run.stdin();
    const written = stdin?.writeAll(input).then(() => stdin.close());
    const pieces: Uint8Array[] = [];
    for await (const piece of run.stdout()?.bytes() ?? []) pieces.push(piece);
    await written;
    assert.equal(sha256(Buffer.concat(pieces)), sha256(input));
  },

  async 'output nobody takes'({ box, dice }) {
    const run = await box.run(['head', '-c', String(dice(4 * MIB)), '/dev/zero']);
    assert.equal((await run.wait()).exitCode, 0);
  },

  async 'output that is given up'({ box }) {
    await using run = await box.run(['sh', '-c', 'while :; do echo more; done']);
    for await (const line of run.stdout() ?? []) {
      assert.equal(line, 'more');
      break;
    }
    await run.kill();
    assert.ok((await run.wait()).exitCode < 0);
  },

  async 'arguments and variables of any size'({ box, dice }) {
    const count = 1 + dice(300);
    const value = 'v'.repeat(1 + dice(3000));
    const names = Array.from({ length: count }, (_, i) => `LARGE_${i}`);
    const variables = Object.fromEntries(names.map((name) => [name, value]));
    const command = new BoxCommand('sh')
      .args(['-c', `test "$LARGE_0" = "$1" && env | grep -c '^LARGE_'`, 'sh', value])
      .envs(variables);
    assert.equal((await (await box.run(command)).output()).stdout, `${count}\n`);
  },

  async 'an argument that is too long'({ box, dice }) {
    const long = new BoxCommand('true').arg('x'.repeat(200_000 + dice(900_000)));
    await assert.rejects(box.run(long), { kind: 'Run', message: /too long/ });
  },

  async 'a program that is not there'({ box }) {
    await assert.rejects(box.run(['nothing-of-that-name']), { kind: 'Run' });
  },

  async 'a status'({ box, dice }) {
    const status = dice(256);
    assert.equal((await shell(box, `exit ${status}`)).exitCode, status);
  },

  async 'a time limit'({ box, dice }) {
    const run = await box.run(new BoxCommand('sleep').arg('1000').timeout(1 + dice(200)));
    assert.equal((await run.wait()).timedOut, true);
  },

  async 'a command that is aborted'({ box, dice }) {
    const signal = AbortSignal.timeout(dice(20));
    try {
      await (await box.run(['sleep', '0.01'], { signal })).wait();
    } catch (error) {
      assert.match(String(error), /abort/i);
    }
  },

  async 'a terminal'({ box, dice }) {
    // busybox's stty does not believe in one row.
    const rows = 2 + dice(200);
    const command = new BoxCommand('sh').args(['-c', 'read line; stty size']).tty(true);
    const run = await box.run(command);
    await run.resizeTty(rows, 80);
    await run.stdin()?.write('go\n');
    const said = await run.stdout()?.text();
    assert.match(said ?? '', new RegExp(`${rows} 80`));
  },

  async 'a file there and back'({ box, dice, inBox }) {
    const content = randomBytes(dice(2 * MIB));
    const path = `${inBox}/file`;
    await box.fs.writeFile(path, content);
    assert.equal((await box.fs.stat(path)).size, content.length);
    assert.equal((await shell(box, `sha256sum < ${path}`)).stdout, `${sha256(content)}  -\n`);
    assert.equal(sha256(await box.fs.readFile(path)), sha256(content));
    await box.fs.rm(path);
  },

  async 'a tree there and back'({ box, dice, inBox, onHost }) {
    const names = Array.from({ length: 1 + dice(40) }, (_, i) => `f${i}`);
    const tree = join(onHost, 'tree');
    mkdirSync(tree);
    for (const name of names) writeFileSync(join(tree, name), name.repeat(dice(3000)));
    await box.copyIn(tree, `${inBox}/tree`);
    await box.copyOut(`${inBox}/tree`, join(onHost, 'back'));
    for (const name of names) {
      assert.deepEqual(readFileSync(join(onHost, 'back', name)), readFileSync(join(tree, name)));
    }
    await box.fs.rm(`${inBox}/tree`, { recursive: true });
    for (const folder of ['tree', 'back']) rmSync(join(onHost, folder), { recursive: true });
  },

  async 'a volume that both write to'({ box, dice, share }) {
    const content = randomBytes(dice(MIB));
    writeFileSync(join(share.host, 'host'), content);
    const { stdout } = await shell(box, `cd ${share.box} && cat host > box && sha256sum < box`);
    assert.equal(stdout, `${sha256(content)}  -\n`);
    assert.equal(sha256(readFileSync(join(share.host, 'box'))), sha256(content));
    for (const name of ['host', 'box']) rmSync(join(share.host, name));
  },

  async 'many small files of a volume'({ box, dice, share }) {
    const count = 1 + dice(30);
    const script = `cd ${share.box} && mkdir d && for i in $(seq ${count}); do echo $i > d/$i; done && cat d/* | wc -l && rm -r d`;
    assert.equal((await shell(box, script)).stdout.trim(), String(count));
  },

  async 'what a server on the host says'({ box, dice, url }) {
    const bytes = dice(MIB);
    const { stdout, stderr } = await shell(box, `wget -q -O - ${url}/${bytes} | wc -c`);
    assert.equal(stdout.trim(), String(bytes), stderr);
  },

  async numbers({ box }) {
    const { memoryBytes } = await box.metrics();
    assert.ok((memoryBytes ?? 0) > 0);
  },
};

forEachEngine((engine) => {
  describe('a box of which everything is asked at once', () => {
    const folder = mkdtempSync(join(folders.homes, 'everything-'));
    let owner: TestRuntime;
    let box: LiteBox;
    let server: Server;

    before(async () => {
      server = createServer((request, response) => {
        response.end(Buffer.alloc(Number(request.url?.slice(1))));
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      owner = new TestRuntime(engine);
      mkdirSync(join(folder, 'share'));
      const volumes = [{ hostPath: join(folder, 'share'), guestPath: '/share' }];
      const options: BoxOptions = { volumes, memoryMib: 256, user: '0:0' };
      box = await owner.makeBox(options);
      await box.start();
    });
    after(async () => {
      await owner[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
      rmSync(folder, { recursive: true });
    });

    it(`answers it all (seed ${seed}, ${rounds} rounds)`, { timeout: rounds * 3000 }, async () => {
      const { port } = server.address() as AddressInfo;
      const dice = diceFrom(seed);
      let left = rounds;
      const entries = Object.entries(operations);
      const work = async (worker: number) => {
        const place = await placeOf(worker, {
          box,
          dice,
          folder,
          url: `http://host.boxlite.internal:${port}`,
        });
        while (left > 0) {
          const round = rounds - left--;
          const [name, operation] = entries[dice(entries.length)] ?? [];
          if (name === undefined || operation === undefined) return;
          await inTime(name, operation(place), ROUND_MS).catch((cause) => {
            left = 0;
            throw new Error(`round ${round}, ${name}: ${cause.message}`, { cause });
          });
        }
      };
      await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));
      // And nothing of it is left.
      const { stdout } = await shell(box, 'ps -o comm | grep -v -e ps -e sh -e grep -e COMMAND');
      assert.doesNotMatch(stdout, /sleep|head|cat|sha256sum|wget/);
    });
  });
});

interface Base {
  readonly box: LiteBox;
  readonly dice: Dice;
  readonly folder: string;
  readonly url: string;
}

async function placeOf(worker: number, { box, dice, folder, url }: Base): Promise<Place> {
  const onHost = join(folder, `host-${worker}`);
  const share = { host: join(folder, 'share', `${worker}`), box: `/share/${worker}` };
  for (const path of [onHost, share.host]) mkdirSync(path);
  await box.fs.mkdir(`/root/${worker}`, { recursive: true });
  return { box, dice, inBox: `/root/${worker}`, share, onHost, url };
}
