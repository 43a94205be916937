import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine } from '../arguments.ts';
import { boxOptions, imageAndCommand, lastingBox, namedCommand } from '../box-options.ts';

export const createUsage = `boxlite create [OPTIONS] IMAGE [--] [COMMAND [ARGUMENT...]]

Makes a box and prints its id. It boots when it is started, and is kept when it is stopped. With a command it
runs that and ends with it; without one it waits for "boxlite exec".

  -e, --env NAME=VALUE    set a variable; NAME alone passes ours on
  -w, --workdir DIR       commands start in this directory
  -u, --user USER         name, uid, uid:gid or name:group
  -l, --label NAME=VALUE  a note to find the box by
  -v, --volume HOST:GUEST[:ro]
                          share a directory or file of the host
      --rootfs PATH       use a directory as the root file system, in place of an image
      --entrypoint NAME   run this program, with the command as its arguments
      --name NAME         name the box
      --cpus N            processors (default 2)
  -m, --memory MIB        memory (default 512)
      --disk-size GIB     what the box may write (default 10), taken as it is written
      --network MODE      enabled (default) or none
      --allow-net RULE    reach only this: a name, *.domain, address or block, each with :PORT if wanted; repeatable
  -p, --publish PORT      [IP:][HOST:]PORT[/udp]: let the host listen for a port of the box
      --engine ENGINE     auto, kvm, hvf, uml or tcg

Examples:
    boxlite create --name worker debian:12`;

export async function create(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, boxOptions);
  const [image, command] = imageAndCommand(rest, values, 'create');
  await using runtime = new BoxliteRuntime();
  const options = { ...lastingBox(values, image), ...namedCommand(values, command) };
  const { id } = await runtime.create(options, values.name);
  process.stdout.write(`${id}\n`);
  return 0;
}
