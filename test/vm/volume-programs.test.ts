/**
 * Programs that are hard on a file system, at work in a shared directory. They are the host's own, and come by volumes as well.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { programPath } from '../../src/base/env.ts';
import { findProgram } from '../../src/engine/vmm.ts';
import type { LiteBox } from '../../src/index.ts';
import { forEachEngine, TestRuntime } from './fixture.ts';
import { inTime } from './polling.ts';

/** Node reads 100 MB of itself through a volume, and then compiles all of npm, perhaps under emulation. */
const LONG_MS = 240_000;
const SUITE_MS = 900_000;

/** Where the host's programs and what they load are. */
const systemFolders = ['/usr', '/lib', '/lib64'].filter((path) => existsSync(path));

forEachEngine((engine) => {
  describe('in a volume', () => {
    let owner: TestRuntime;
    let box: LiteBox;
    let work: string;
    before(async () => {
      owner = new TestRuntime(engine);
      work = join(owner.homeDir, 'work');
      mkdirSync(work);
      const npm = realpathSync((await findProgram('npm', programPath())) ?? '/npm');
      box = await owner.makeBox({
        memoryMib: 1024,
        network: 'disabled',
        env: { HOME: '/work', PATH: '/usr/bin:/bin:/node', LANG: 'C.UTF-8' },
        workingDir: '/work',
        volumes: [
          ...systemFolders.map((path) => ({ hostPath: path, guestPath: path, readOnly: true })),
          { hostPath: dirname(realpathSync(process.execPath)), guestPath: '/node', readOnly: true },
          { hostPath: join(npm, '../../..'), guestPath: '/npm', readOnly: true },
          { hostPath: work, guestPath: '/work' },
        ],
      });
      await box.start();
    });
    after(() => owner[Symbol.asyncDispose]());

    async function says(script: string): Promise<string> {
      await using execution = await box.run(['sh', '-ec', script]);
      const { exitCode, stdout, stderr } = await inTime(script, execution.output(), LONG_MS);
      assert.equal(exitCode, 0, `${script}: ${stdout}${stderr}`);
      return stdout;
    }

    it('git keeps a repository, and clones it', async () => {
      const script = `git init -q repository; cd repository
        git config user.name box; git config user.email box@localhost
        for i in $(seq 40); do mkdir -p d$((i % 5)); echo $i > d$((i % 5))/f$i; done
        git add .; git commit -qm one; git status --porcelain
        echo more >> d1/f1; git mv d2/f2 d2/moved; rm d3/f3; echo new > new
        git status --porcelain; git add -A; git commit -qm two; git log --oneline | wc -l
        git clone -q . ../clone; cd ../clone; git fsck; git status --porcelain; cat d1/f1; ls d2/moved`;
      const changed = 'R  d2/f2 -> d2/moved\n M d1/f1\n D d3/f3\n?? new\n';
      const lines = (text: string) => text.split('\n').toSorted();
      assert.deepEqual(lines(await says(script)), lines(`${changed}2\n1\nmore\nd2/moved\n`));
      const git = ['-c', 'safe.directory=*', '-C', join(work, 'clone'), 'status', '--porcelain'];
      assert.equal(execFileSync('git', git, { encoding: 'utf8' }), '');
    });

    it('tar packs and unpacks a tree with its modes, links and times', async () => {
      const script = `mkdir -p tree/a/b; echo x > tree/a/b/f; ln tree/a/b/f tree/hard; ln -s a/b tree/soft
        chmod 640 tree/a/b/f; touch -d 2001-02-03T04:05:06Z tree/a/b/f; mkfifo tree/fifo 2>/dev/null || true
        tar cf tree.tar tree; mkdir out; tar xf tree.tar -C out; diff -r tree out/tree
        stat -c '%a %h %Y' out/tree/a/b/f; readlink out/tree/soft; tar df tree.tar -C out`;
      assert.equal(await says(script), '640 2 981173106\na/b\n');
    });

    for (const journal of ['delete', 'wal']) {
      it(`sqlite keeps a database with the journal "${journal}", with two writers`, async () => {
        const writer = (name: string) =>
          `for i in $(seq 10); do sqlite3 -cmd '.timeout 60000' ${journal}.db "insert into t values ('${name}', $i)"; done`;
        const script = `sqlite3 ${journal}.db 'pragma journal_mode=${journal}; create table t(who, number)'
          (${writer('a')}) & first=$!; (${writer('b')}) & second=$!; wait $first; wait $second
          sqlite3 ${journal}.db 'begin; delete from t; rollback; select who, count(*), sum(number) from t group by who; pragma integrity_check'`;
        assert.equal(await says(script), `${journal}\na|10|55\nb|10|55\nok\n`);
        const query = 'select count(*) from t';
        const database = join(work, `${journal}.db`);
        assert.equal(execFileSync('sqlite3', [database, query], { encoding: 'utf8' }), '20\n');
      });
    }

    it('make builds again only what has changed', async () => {
      writeFileSync(
        join(work, 'Makefile'),
        'all: one.out two.out\n%.out: %.in\n\t@echo making $@\n\t@cp $< $@\n',
      );
      const script =
        'echo 1 > one.in; echo 2 > two.in; make; make; sleep 0.02; echo 3 > two.in; make; cat two.out';
      const nothing = "make: Nothing to be done for 'all'.\n";
      assert.equal(
        await says(script),
        `making one.out\nmaking two.out\n${nothing}making two.out\n3\n`,
      );
    });

    it('vim saves a file by renaming', async () => {
      writeFileSync(join(work, 'text'), 'old\n');
      const settings = 'set backupcopy=no backup writebackup';
      const script = `ls -i text | cut -d' ' -f1 > before
        vim.tiny -es -u NONE -c '${settings}' -c '%s/old/new/' -c wq text
        ls -i text | cut -d' ' -f1 > after; cat text text~; cmp -s before after || echo another file`;
      assert.equal(await says(script), 'new\nold\nanother file\n');
      assert.equal(readFileSync(join(work, 'text'), 'utf8'), 'new\n');
    });

    it('npm installs packages', async () => {
      const dependency = join(work, 'source/package');
      mkdirSync(join(dependency, 'lib'), { recursive: true });
      const described = { name: 'dependency', version: '1.2.3', bin: { greet: 'greet.js' } };
      writeFileSync(join(dependency, 'package.json'), JSON.stringify(described));
      writeFileSync(join(dependency, 'index.js'), "module.exports = require('./lib/f199.js');");
      writeFileSync(join(dependency, 'greet.js'), "#!/usr/bin/env node\nconsole.log('hello');");
      for (let i = 0; i < 200; i++) {
        writeFileSync(join(dependency, `lib/f${i}.js`), `module.exports = ${i};`);
      }
      execFileSync('tar', ['czf', join(work, 'd.tgz'), '-C', join(work, 'source'), 'package']);
      const script = `mkdir project; cd project; echo '{"name":"project","version":"1.0.0"}' > package.json
        node /npm/npm/bin/npm-cli.js install --offline --no-audit --no-fund --loglevel=error ../d.tgz > /dev/null
        node -e 'console.log(require("dependency"))'; node node_modules/.bin/greet`;
      assert.equal(await says(script), '199\nhello\n');
      assert.equal(readdirSync(join(work, 'project/node_modules/dependency/lib')).length, 200);
    });
  });
}, SUITE_MS);
