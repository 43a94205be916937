import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExecResult } from '../../src/box/exec-result.ts';
import { exitReasonOf, mainArgv, stopSignalNumber } from '../../src/runtime/main-command.ts';

const image = { entrypoint: ['/entry'], cmd: ['serve', '--all'] };

describe('mainArgv()', () => {
  it('is nothing unless the box asks for a command', () => {
    assert.equal(mainArgv({ entrypoint: null, cmd: null }, image), null);
    assert.equal(mainArgv({ entrypoint: [], cmd: [] }, image), null);
    assert.equal(mainArgv({ entrypoint: null, cmd: [] }, null), null);
  });

  it('takes from the image what the box leaves open', () => {
    assert.deepEqual(mainArgv({ entrypoint: null, cmd: ['x'] }, image), ['/entry', 'x']);
    assert.deepEqual(mainArgv({ entrypoint: ['y'], cmd: null }, image), ['y', 'serve', '--all']);
    assert.deepEqual(mainArgv({ entrypoint: [], cmd: ['x'] }, image), ['x']);
    assert.deepEqual(mainArgv({ entrypoint: ['y'], cmd: ['x'] }, null), ['y', 'x']);
  });
});

describe('stopSignalNumber()', () => {
  it('reads every spelling that images have', () => {
    const spelled = { SIGQUIT: 3, QUIT: 3, '3': 3, SIGRTMIN: 34, 'SIGRTMIN+3': 37, 'RTMIN+3': 37 };
    for (const [text, number] of Object.entries(spelled)) {
      assert.equal(stopSignalNumber(text), number, text);
    }
  });

  it('is SIGTERM where nothing, or nothing sensible, is said', () => {
    for (const text of [null, '', 'SIGNONE', '0', '65', 'SIGRTMIN+99', 'RTMIN-1', '1e1']) {
      assert.equal(stopSignalNumber(text), 15, String(text));
    }
  });
});

describe('exitReasonOf()', () => {
  it('names the exit code, or the signal', () => {
    assert.equal(exitReasonOf(new ExecResult(0, false, 1)), 'exit code 0');
    assert.equal(exitReasonOf(new ExecResult(-9, false, 1)), 'signal SIGKILL');
    assert.equal(exitReasonOf(new ExecResult(-40, false, 1)), 'signal 40');
  });
});
