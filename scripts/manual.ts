/**
 * Makes `man/boxlite.1`, the manual page, from the usage texts of the command line.
 *
 *     node scripts/manual.ts [--check]
 */
import { readFileSync } from 'node:fs';
import { commands } from '../src/cli/command-table.ts';
import { keepGenerated } from './generated.ts';

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };

/** Text in roff: nothing of it may be taken for a request or an escape (roff(7)). */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^(?=[.'])/gm, '\\&');
}

function asWritten(text: string): string {
  return `.nf\n${roff(text)}\n.fi`;
}

function commandPart(name: string): string {
  const { summary, usage } = commands[name] ?? { summary: '', usage: '' };
  const [synopsis = '', ...rest] = usage.split('\n\n');
  return `.SS ${roff(name)}: ${roff(summary)}\n${asWritten([synopsis, ...rest].join('\n\n'))}`;
}

function terms(entries: Readonly<Record<string, string>>): string {
  return Object.entries(entries)
    .map(([term, text]) => `.TP\n.B ${roff(term)}\n${roff(text)}`)
    .join('\n');
}

const names = Object.keys(commands).filter((name) => name !== 'ps');

keepGenerated(
  'man/boxlite.1',
  `.\\" Made by scripts/manual.ts from the usage texts in src/cli.
.TH BOXLITE 1 "" "boxlite ${version}" "User Commands"
.SH NAME
boxlite \\- run programs in virtual machines of their own
.SH SYNOPSIS
.B boxlite
.I COMMAND
.RI [ OPTIONS ]
.SH DESCRIPTION
BoxLite runs untrusted programs in boxes. A box is a virtual machine with a Linux kernel of its own, made from a
container image or a directory. There is no daemon, and no root is needed.
.PP
Words and options are those of
.BR docker (1)
where it has them. A box is called by its name, its id, or the first four or more characters of that.
.SH COMMANDS
${names.map(commandPart).join('\n')}
.SH EXIT STATUS
That of the command which was run; otherwise:
${terms({
  '2': 'The command line does not make sense.',
  '124': 'The command took longer than --timeout.',
  '125': 'BoxLite failed.',
  '126': 'The command cannot be executed.',
  '127': 'The command was not found.',
  '128 + N': 'The command was ended by signal N.',
})}
.SH ENVIRONMENT
${terms({
  BOXLITE_HOME: 'Where boxes, images and their records are kept. Default: ~/.boxlite.',
  BOXLITE_CACHE:
    'Where kernels and what was found out about this host are kept. Default: ~/.cache/boxlite.',
  DOCKER_CONFIG: 'The folder of the config.json with logins for registries. Default: ~/.docker.',
  'https_proxy, http_proxy, all_proxy, no_proxy': 'Proxies to registries, as curl(1) has them.',
  NODE_EXTRA_CA_CERTS: 'A file of certificate authorities to trust besides those of Node.js.',
})}
.SH SEE ALSO
.BR bwrap (1),
.BR qemu (1),
.BR docker (1)
`,
);
