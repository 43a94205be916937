/**
 * Two boxes of root's: a real one, and one whose VMM has been taken over, which tries to get to the other's disk, memory,
 * sockets and files.
 */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type LiteBox, SecurityOptions, type SecurityOptionsBuilder } from '../../src/index.ts';
import { StandIn, type Targets } from '../jail/breakout.ts';
import { folders, forEachEngine, shell, TestRuntime } from './fixture.ts';
import { descendants } from './processes.ts';

/** What the stand-in tries that is about another box. */
const ABOUT_OTHERS = ['file', 'disk', 'socket', 'see-process', 'signal', 'trace'];

/** Everything off that stands between two VMMs but that they are two users. */
const asUserAlone = (b: SecurityOptionsBuilder) =>
  b.chrootEnabled(false).newPidNs(false).newNetNs(false).seccompEnabled(false);

forEachEngine((engine) => {
  const skip = process.getuid?.() !== 0 && 'only root can give each box a user';
  describe('a VMM that was taken over, beside another box', { skip }, () => {
    let folder: string;
    let standIn: StandIn;
    let owner: TestRuntime;
    let box: LiteBox;
    let pid: number;

    before(async () => {
      folder = mkdtempSync('/var/tmp/boxlite-two-');
      chmodSync(folder, 0o755);
      // The home closes itself.
      chmodSync(dirname(folders.homes), 0o755);
      standIn = await StandIn.make(folder);
      owner = new TestRuntime(engine);
      box = await owner.makeBox({ autoRemove: false, diskSizeGb: 1, memoryMib: 128 });
      await shell(box, 'echo secret > /secret; sync');
      const vmm = descendants(box.info().pid ?? 0).find(({ name }) => /^(linux|qemu)/.test(name));
      pid = vmm?.pid ?? 0;
    });
    after(async () => {
      await owner[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    const path = (...parts: string[]) => join(owner.homeDir, ...parts);

    /** The other box by the paths of its files, and by what is open in its VMM. */
    function targets(): Targets[] {
      const [socket = ''] = readdirSync(path('owners'));
      const rest = { socket: path('owners', socket), port: 1, abstract: 'none', pid };
      const more = { variable: 'HOME', directory: '/tmp' };
      const disk = path('boxes', box.id.asStr(), 'disk.ext4');
      return [
        { file: path('boxlite.db'), disk, ...rest, ...more },
        { file: `/proc/${pid}/fd/4`, disk: `/proc/${pid}/mem`, ...rest, ...more },
      ];
    }

    async function reached(security: SecurityOptions): Promise<string[]> {
      const found = new Set<string>();
      for (const target of targets()) {
        await using taken = await standIn.start(target, { security, boxId: 'taken-over' });
        for (const name of ABOUT_OTHERS) if (taken.got.get(name) === 0) found.add(name);
      }
      return [...found];
    }

    it('gets to nothing of it', async () => {
      assert.deepEqual(await reached(SecurityOptions.enabled()), []);
    });

    it('gets to nothing but its name as another user alone', async () => {
      const security = asUserAlone(SecurityOptions.builder()).build();
      // What /proc tells everybody of a process.
      assert.deepEqual(await reached(security), ['see-process']);
    });

    it('gets to all of it without a jail, as root, and the box goes on', async () => {
      const security = SecurityOptions.builder()
        .jailerEnabled(false)
        .allowUnjailed(true)
        .resourceLimits({})
        .build();
      assert.deepEqual((await reached(security)).sort(), [...ABOUT_OTHERS].sort());
      assert.equal((await shell(box, 'cat /secret')).stdout, 'secret\n');
    });
  });
});
