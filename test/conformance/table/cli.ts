import { section, shown } from './row.ts';

const lasting = 'boxlite > makes a box that lasts, and works on it until it is removed';

/** The command line. */
export const cli = [
  section('contract', 'Command line: commands', {
    'boxlite run': 'boots a box, runs a command in it, and ends with its status',
    'boxlite run: no image': 'IMAGE can be left out: alpine:latest, as for the library',
    'boxlite run: no command': 'COMMAND can be left out: what the image says',
    'boxlite exec': shown('runs a command in a box', 'cli/lifecycle', lasting),
    'boxlite create': shown('makes a box and prints its id', 'cli/lifecycle', lasting),
    'boxlite start': shown('boots a box', 'cli/lifecycle', lasting),
    'boxlite stop': shown('stops a box', 'cli/lifecycle', lasting),
    'boxlite rm': shown('removes a box; -f also one that runs', 'cli/lifecycle', lasting),
    'boxlite ls': shown('lists boxes', 'cli/lifecycle', lasting),
    'boxlite inspect': shown('tells all about a box', 'cli/lifecycle', lasting),
    'boxlite logs': shown(
      'shows what the main command has printed',
      'cli/lifecycle',
      'boxlite > leaves a box running with run -d, which ends with its command',
    ),
    'boxlite cp': shown(
      'copies files in and out',
      'cli/lifecycle',
      'boxlite > copies files into a box and out of it',
    ),
    'boxlite stats': shown(
      'shows what boxes take',
      'cli/lifecycle',
      lasting,
      'boxlite > shows stats again and again: a list a line as JSON, and in one place on a terminal',
    ),
    'boxlite pull': shown(
      'brings an image here',
      'cli/images',
      'boxlite image > pulls, lists, tells about, exports, removes and imports images',
    ),
    'boxlite images': shown(
      'lists images',
      'cli/images',
      'boxlite image > pulls, lists, tells about, exports, removes and imports images',
    ),
    'boxlite image rm': shown(
      'removes an image',
      'cli/images',
      'boxlite image > pulls, lists, tells about, exports, removes and imports images',
    ),
    'boxlite image import': shown(
      'takes over an image',
      'cli/images',
      'boxlite image > pulls, lists, tells about, exports, removes and imports images',
    ),
    'boxlite image prune': shown(
      'deletes what nobody needs',
      'cli/images',
      'boxlite image > says what pruning has freed, and spares what boxes use',
    ),
    'boxlite doctor': shown(
      'tells what this host can run',
      'cli/commands',
      'boxlite doctor > tells which engines work, on which kernels, and which one "auto" takes',
    ),
    'boxlite kernel ls': shown(
      'lists kernels',
      'cli/commands',
      'boxlite kernel ls > lists what there is, as a table and as JSON',
    ),
    'boxlite kernel build': {
      claim: 'builds our kernels',
      notHere:
        'takes minutes and the source of Linux; that a build that is there is found and not made again is shown',
      shownBy: [
        {
          file: 'test/engine/kernel/build.test.ts',
          test: 'buildKernel() installs a kernel, warns of what did not fit, and builds it once',
        },
      ],
    },
  }),
  section('contract', 'Command line: options', {
    '-i': shown(
      'passes standard input on',
      'cli/run',
      'boxlite run > passes its input on with -i only',
    ),
    '-t': shown(
      'gives the command a terminal',
      'cli/terminal',
      'the terminal > that a command gets with -t need not be ours',
    ),
    '-it': shown(
      'a shell at the terminal',
      'cli/terminal',
      'a shell of a box at a real terminal > feels like one of the host, on uml',
      'a shell of a box at a real terminal > feels like one of the host, on tcg',
    ),
    '-e': shown(
      'sets a variable',
      'cli/run',
      'boxlite run > sets variables: a value, an empty one, its own, and none it does not have',
    ),
    '-w': shown(
      'sets the directory',
      'cli/run',
      'boxlite run > sets the directory, the user, the processors and the memory',
    ),
    '-u': shown(
      'sets the user',
      'cli/run',
      'boxlite run > sets the directory, the user, the processors and the memory',
    ),
    '-v': 'shares files of the host',
    '-p': shown('publishes a port', 'cli/lifecycle', 'boxlite > publishes ports of a box'),
    '-d': shown(
      'leaves the box running',
      'cli/lifecycle',
      'boxlite > leaves a box running with run -d, which ends with its command',
    ),
    '--rm': 'removes the box when it stops',
    '--name': 'names the box',
    '--cpus': shown(
      'sets the processors',
      'cli/run',
      'boxlite run > sets the directory, the user, the processors and the memory',
    ),
    '--memory': shown(
      'sets the memory',
      'cli/run',
      'boxlite run > sets the directory, the user, the processors and the memory',
    ),
    '--entrypoint': 'runs that program with the command as its arguments',
    '--format': shown(
      'table or json',
      'cli/commands',
      'boxlite kernel ls > lists what there is, as a table and as JSON',
      'boxlite doctor > tells the same as JSON',
    ),
    '-q': shown('prints ids alone', 'cli/lifecycle', lasting),
    '--debug': shown(
      'adds the stack to an error',
      'cli/run',
      'boxlite run > shows with --debug where a failure came from',
    ),
  }),
  section('contract', 'Command line: exit status', {
    'status: of the command': shown(
      'the own status of the command',
      'cli/run',
      'boxlite run > keeps the two outputs apart',
    ),
    'status: 128+n': shown(
      'ended by a signal',
      'cli/run',
      'boxlite run > ends with 128 and the number of the signal that ended the command',
    ),
    'status: 124': shown(
      'the time was up',
      'cli/run',
      'boxlite run > ends with 124 when the time is up',
    ),
    'status: 125': shown(
      'a failure of our own, in one line on standard error',
      'cli/run',
      'boxlite run > ends with 125 for a failure of our own, in one line',
    ),
    'status: 126': shown(
      'not executable',
      'cli/run',
      'boxlite run > ends with 127 if there is no such command, and 126 if it cannot be executed',
    ),
    'status: 127': shown(
      'not found',
      'cli/run',
      'boxlite run > ends with 127 if there is no such command, and 126 if it cannot be executed',
    ),
    'status: 2': shown(
      'a usage error',
      'cli/run',
      'boxlite run > ends with 2 for a line that makes no sense, and names the help',
    ),
  }),
] as const;
