import { section, shown } from './row.ts';

/** Commands: how they are described, run, talked to, and how they end. */
export const commands = [
  section('both references', 'BoxCommand', {
    'BoxCommand.new': 'runs the program of that name',
    'BoxCommand.arg': 'adds one argument',
    'BoxCommand.args': 'adds several arguments',
    'BoxCommand.env': 'sets a variable',
    'BoxCommand.timeout': 'ends the command after that long',
    'BoxCommand.workingDir': 'starts in that directory',
    'BoxCommand.tty': 'gives the command a terminal, or does not',
    'BoxCommand: example': 'the example of the section, as written',
  }),
  section('newer reference', 'BoxCommand', {
    'BoxCommand.user': 'runs as that user, "nobody" or "1000:1000"',
  }),
  section('contract', 'BoxCommand', {
    'BoxCommand.envs': 'sets several variables',
    'BoxCommand.timeout: Seconds': 'a duration can be Seconds; a number is milliseconds',
    'BoxCommand.timeout: tree':
      'ends the whole process tree: SIGTERM, 2 s later SIGKILL; the result has timedOut',
    'BoxCommand.user: forms': '"name", "uid", "uid:gid" and "name:group"',
    'BoxCommand: immutable': 'each call returns a new command and leaves the old one',
    'BoxCommand: validated': 'what no guest could take is InvalidArgument, and says where it stood',
  }),
  section('both references', 'Execution', {
    'Execution.id': 'identifies the command',
    'Execution.stdin': 'gives the input once, then null',
    'Execution.stdout': 'gives the output once, then null',
    'Execution.stderr': 'gives the error output once, then null',
    'Execution.wait': 'waits for the end and tells how it was',
    'Execution.kill': 'ends the command by SIGKILL',
    'Execution.signal': 'sends a signal by its number',
    'Execution.resizeTty': 'changes the size of the terminal',
    'Execution: example': 'the example of the section, as written',
  }),
  section('contract', 'Execution', {
    'Execution.signal: name': 'sends a signal by its name',
    'Execution.output': 'reads both outputs to their ends, with the result',
    'Execution.resizeTty: no tty': 'is InvalidState without a terminal',
    'Execution.wait: cached': 'works again, also after the box has stopped',
    'Execution[Symbol.asyncDispose]': 'disposing of an execution ends the command',
    'Execution: exit code': 'a non-zero exit is a result, never an exception',
    'Execution: not found': 'a program that cannot be found is Run, and the message says so',
    'Execution: not executable':
      'a program that cannot be executed is Run, and the message says so',
    'Execution: untaken output':
      'output that nobody took never blocks the program nor wait(); at most 1 MiB is kept',
    'Execution: flow control': shown(
      'output that somebody took is flow-controlled end to end, and memory stays flat',
      'vm/streams',
      'output > that is read slowly slows the command down',
      'output > that streams through leaves memory flat',
    ),
    'Execution: environment':
      'variables of the command win over those of the box, and those over the image',
    'Execution: working directory':
      'the directory of the command wins over that of the box, and that over the image',
  }),
  section('both references', 'ExecStdin', {
    'ExecStdin.write': 'writes bytes to the input',
    'ExecStdin.writeAll': 'writes all of the bytes',
    'ExecStdin: example': 'the example of the section, as written; dropping becomes close()',
  }),
  section('contract', 'ExecStdin', {
    'ExecStdin.write: text': 'text is written as UTF-8',
    'ExecStdin.close': 'the command reads its end of file',
    'ExecStdin[Symbol.asyncDispose]': 'disposing of the input closes it',
  }),
  section('both references', 'ExecStdout / ExecStderr', {
    ExecStdout: 'the output as a stream of lines',
    ExecStderr: 'the error output as a stream of lines',
    'ExecStdout / ExecStderr: example': 'the example of the section, as written',
    'ExecStdout / ExecStderr: concurrent': 'both can be read at once, as in the example',
  }),
  section('contract', 'ExecStdout / ExecStderr', {
    'ExecStdout: lines': 'lines come without their newline, decoded as UTF-8 across chunks',
    'ExecStdout.bytes': 'the very bytes, as they come',
    'ExecStdout.text': 'everything as text',
    'ExecStdout.readable': 'a Node stream',
    'ExecStderr.bytes': 'the very bytes, as they come',
    'ExecStderr.text': 'everything as text',
    'ExecStderr.readable': 'a Node stream',
  }),
  section('both references', 'ExecResult', {
    'ExecResult.exitCode': '0 is success, and the code of the program otherwise',
    'ExecResult.exitCode: signal': 'negative is the number of the signal that ended it',
    'ExecResult.success': 'true if the exit code was 0',
    'ExecResult.code': 'the exit code',
  }),
  section('contract', 'ExecResult', {
    'ExecResult.signal': 'the name of the signal that ended it, or null',
    'ExecResult.timedOut': 'whether its time was up',
    'ExecResult.durationMs': 'how long it took',
  }),
] as const;
