import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { folders, testedEngines } from '../vm/fixture.ts';
import { watchForLeaks } from '../vm/leaks.ts';
import { eventually } from '../vm/polling.ts';
import { descendants, type ProcessEntry } from '../vm/processes.ts';
import { CommandLine } from './command-line.ts';
import { boxlite, home } from './program.ts';
import { Screen } from './screen.ts';

/** What is tested once is the same on every engine: the fastest does. */
const engine = process.arch === 'x64' ? 'uml' : 'tcg';
const RUN = ['run', '--engine', engine];
/** A shell of a box waits for a line. */
const PROMPT = /\/\w* #$/;

/**
 * Waits until a shell of a box takes keys. At its prompt busybox asks the terminal for the cursor's place, and loses
 * what is typed together with the answer.
 */
async function atPrompt(screen: Screen): Promise<void> {
  await screen.shows(PROMPT);
  await eventually('a shell that takes keys', () => {
    screen.type('x');
    return /# x+$/.test(screen.text()) ? true : null;
  });
  screen.press('C-u');
  await screen.shows(PROMPT);
}

/** Has the shell of a box run this on an empty screen. */
async function command(screen: Screen, text: string): Promise<void> {
  await atPrompt(screen);
  screen.type(`clear; ${text}\n`);
}

function line(text: string, name: string = engine): string {
  return `boxlite run --engine ${name} -it builtin:base -- ${text}\n`;
}

/** How the last command at the terminal ended, and a sum of the terminal's settings. */
async function ending(screen: Screen): Promise<{ status: string; settings: string }> {
  screen.type('echo "ended $?"; echo "set $(stty -g | cksum)"\n');
  const text = await screen.shows(/^ended \d+\nset \d+ \d+$/m);
  const [, status = '', settings = ''] = /^ended (\d+)\nset (\d+)/m.exec(text) ?? [];
  return { status, settings };
}

/** The programs that the screen's shell has started and that have this name. */
function programs(screen: Screen, name: RegExp): ProcessEntry[] {
  return descendants(Number(screen.fact('pane_pid'))).filter((entry) => name.test(entry.name));
}

describe('a shell of a box at a real terminal', () => {
  for (const name of testedEngines) {
    it(`feels like one of the host, on ${name}`, async () => {
      using screen = await Screen.open({ home });
      const { settings } = await ending(screen);
      screen.type(`clear; ${line('sh', name)}`);

      // The size at the start, the name of the terminal, and colours.
      await command(screen, 'stty size; echo $TERM; mkdir /tmp/blue; ls --color /tmp');
      await screen.shows(/^24 80\ntmux-256color\nblue\n\/ #$/);
      assert.match(JSON.stringify(screen.colours()), /\[34mblue\\n\\u001b/);

      // Completion by the shell, and keys that move in the line.
      await atPrompt(screen);
      screen.type('and /tmp/bl');
      screen.press('Tab', 'Home');
      screen.type('echo ');
      screen.press('Enter');
      await screen.shows(/^and \/tmp\/blue\/\n\/ #$/m);

      // Ctrl-C interrupts what runs, not the shell.
      // It takes a moment to end: a shell that is woken at once may take the echo upon itself before ^C is shown.
      const slow = 'trap "sleep 0.2; trap - INT; kill -INT $$" INT; echo begun; sleep 100000';
      await command(screen, `sh -c '${slow}'; echo never`);
      await screen.shows(/^begun$/m);
      screen.press('C-c');
      assert.equal(await screen.shows(/\n\/ #$/), 'begun\n^C\n/ #');

      // Ctrl-D ends the input of what reads, then the shell.
      await command(screen, 'echo reading; cat');
      await screen.shows(/^reading$/m);
      screen.type('one line\n');
      await screen.shows(/^one line\none line$/m);
      screen.press('C-d');
      await screen.shows(/^one line\none line\n\/ #$/m);
      await command(screen, '(exit 7)');
      await atPrompt(screen);
      screen.press('C-d');
      await screen.shows(/^host>$/m);
      assert.deepEqual(await ending(screen), { status: '7', settings });
    });
  }

  for (const name of testedEngines) {
    it(`has jobs, which stop and go on before it and behind it, on ${name}`, async () => {
      using screen = await Screen.open({ home });
      screen.type(`clear; ${line('sh', name)}`);
      // Each says so itself: before it has the terminal, keys would be for the shell.
      await command(screen, "sh -c 'echo reading; exec cat'");
      await screen.shows(/^reading$/m);
      screen.press('C-z');
      await screen.shows(/^\^Z\[1\]\+ +Stopped +sh -c .*\n\/ #$/m);
      await command(screen, 'fg');
      await screen.shows(/^sh -c .*$/m);
      screen.type('go on\n');
      await screen.shows(/^go on\ngo on$/m);
      screen.press('C-d');

      await command(screen, "sh -c 'echo begun; exec sleep 100000'");
      await screen.shows(/^begun$/m);
      screen.press('C-z');
      await screen.shows(/^\^Z\[1\]\+ +Stopped +sh -c .*\n\/ #$/m);
      await command(screen, 'bg');
      await command(screen, 'jobs');
      await screen.shows(/^\[1\]\+ +Running +sh -c .*\n\/ #$/m);
      // Behind the shell Ctrl-C does not reach it.
      screen.press('C-c');
      await command(screen, 'kill %1; wait');
      await screen.shows(/^\[1\]\+ +Terminated +sh -c .*\n\/ #$/m);
      await command(screen, 'exit');
      await screen.shows(/^host>$/m);
    });
  }

  it('has programs that fill the screen, and follows its size', async () => {
    using screen = await Screen.open({ home, rows: 10, cols: 40 });
    screen.type(`clear; ${line('sh')}`);
    await command(screen, 'cd /tmp; vi file');
    assert.deepEqual((await screen.shows(/file 1\/1/)).split('\n'), [
      ...['', '~', '~', '~', '~', '~', '~', '~', '~'],
      '- file 1/1 100%',
    ]);
    screen.type('ihello\nworld');
    screen.press('Escape');
    // Escape and a key at once are a key with Alt.
    await screen.shows(/^- file \[Modified\]/m);
    screen.type('k0x');
    assert.deepEqual((await screen.shows(/^ello$/m)).split('\n'), [
      ...['ello', 'world', '~', '~', '~', '~', '~', '~', '~'],
      '- file [Modified] 1/2 50%',
    ]);
    screen.type(':wq\n');
    await command(screen, 'cat file');
    assert.equal(await screen.shows(/world\n.*#$/), 'ello\nworld\n/tmp #');

    screen.resize(12, 60);
    await eventually('the new size', () => {
      screen.type('clear; stty size\n');
      return /^12 60$/m.test(screen.text()) ? true : null;
    });
    await command(screen, 'top');
    const top = await screen.shows(/^ +PID +PPID +USER .*COMMAND/m);
    assert.match(top, /^Mem: .*\nCPU: .*\nLoad average: /);
    screen.press('q');
    await command(screen, 'exit');
    await screen.shows(/^host>$/m);
  });

  it('shows what a program sends as it is, once the program has set it so', async () => {
    using screen = await Screen.open({ home });
    screen.type(`clear; ${line(`sh -c 'stty -opost; printf "a\\nb\\r\\nc"; sleep 0.2'`)}`);
    await screen.shows(/^a\n b\nc *host>$/);
  });

  it('is there in a box that runs, and ends with its command', async () => {
    await using cli = new CommandLine();
    await cli.say(
      'run',
      '-d',
      '--engine',
      engine,
      '--name',
      'web',
      'builtin:base',
      'sleep',
      '100000',
    );
    using screen = await Screen.open({ home: cli.home, rows: 30, cols: 90 });
    screen.type('clear; boxlite exec -it web -- sh\n');
    await command(screen, 'stty size; test -t 2 && exit 5');
    await screen.shows(/^30 90\nhost>$/m);
    assert.equal((await ending(screen)).status, '5');
  });

  it('has the terminal that -e says, and is told of none that a box cannot know', async () => {
    using screen = await Screen.open({ home });
    screen.type('export TERM=of-tomorrow\n');
    screen.type(`clear; ${line("sh -c 'echo $TERM'")}`);
    // What is typed while a box still has the terminal is the box's.
    await screen.shows(/^xterm-256color\nhost>$/m);
    screen.type(
      `clear; boxlite run --engine ${engine} -e TERM=vt52 -it builtin:base sh -c 'echo $TERM'\n`,
    );
    await screen.shows(/^vt52$/m);
  });
});

describe('the terminal', () => {
  /** Has a box's vi at the terminal end in some way, and sees that nothing of it is left. */
  async function isGivenBack(status: number, end: (screen: Screen) => void): Promise<string> {
    using screen = await Screen.open({ home });
    const { settings } = await ending(screen);
    screen.type(`clear; ${line('vi /tmp/file')}`);
    await screen.shows(/file 1\/1/);
    assert.equal(screen.fact('alternate_on'), '1');
    end(screen);
    await screen.shows(/^host>$/m);
    assert.equal(screen.fact('alternate_on'), '0');
    assert.equal(screen.fact('cursor_flag'), '1');
    const said = screen.text();
    assert.deepEqual(await ending(screen), { status: String(status), settings }, said);
    return said;
  }

  it('is given back when boxlite is told to end', async () => {
    await isGivenBack(129, (screen) => {
      for (const { pid } of programs(screen, /^node|MainThread/)) process.kill(pid, 'SIGTERM');
    });
  });

  it('is given back when the VMM dies', async () => {
    const said = await isGivenBack(125, (screen) => {
      for (const { pid } of programs(screen, /^(linux|qemu)/)) process.kill(pid, 'SIGKILL');
    });
    assert.match(said, /^boxlite: /m);
  });

  it('is given back when the command is killed', async () => {
    using screen = await Screen.open({ home });
    const script = `sleep 2 && kill -9 $$ & exec vi /tmp/file`;
    screen.type(`clear; ${line(`sh -c '${script}'`)}`);
    await screen.shows(/file 1\/1/);
    await screen.shows(/^host>$/m);
    assert.equal(screen.fact('alternate_on'), '0');
    assert.equal((await ending(screen)).status, '137');
  });

  it('that a command gets with -t need not be ours', async () => {
    const script = 'test -t 1 && echo terminal; echo error >&2; exit 3';
    const ended = await boxlite([...RUN, '-t', 'builtin:base', 'sh', '-c', script]);
    const stdout = 'terminal\r\nerror\r\n';
    assert.deepEqual(ended, { status: 3, signal: null, stdout, stderr: '' });
  });

  it('has to be ours if it is to be typed at', async () => {
    for (const args of [
      [...RUN, '-it', 'builtin:base', 'sh'],
      ['exec', '-it', 'nobody', 'sh'],
    ]) {
      const { status, stderr } = await boxlite(args);
      assert.equal(status, 2);
      assert.match(stderr, /^boxlite: -i with -t needs a terminal.*\n/);
    }
    const { status } = await boxlite(['run', '-d', '-t', 'builtin:base', 'sh']);
    assert.equal(status, 2);
  });

  watchForLeaks(folders);
});
