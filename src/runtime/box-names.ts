// pure
/** The files by which programs in a box find names: those of the image stay as they are, below. */
import { BOX, GATEWAY, HOST_ALIAS, HOST_ALIAS_NAME } from '../network/addresses.ts';
import type { BoxSpec } from '../spec/box-spec.ts';

/** Of the box's own name where it has no address but that of its loopback, as Debian has it. */
const OWN_ADDRESS = '127.0.1.1';

/** What is laid over an image's files, by path. */
export function nameFiles(
  hostname: string,
  network: BoxSpec['network']['mode'],
): Readonly<Record<string, string>> {
  const enabled = network === 'enabled';
  const hosts = [
    ['127.0.0.1', 'localhost'],
    ['::1', 'localhost ip6-localhost ip6-loopback'],
    ['ff02::1', 'ip6-allnodes'],
    ['ff02::2', 'ip6-allrouters'],
    ...(enabled ? [[HOST_ALIAS.v4, HOST_ALIAS_NAME]] : []),
    [enabled ? BOX.v4 : OWN_ADDRESS, hostname],
  ];
  return {
    '/etc/hostname': `${hostname}\n`,
    '/etc/hosts': hosts.map((columns) => `${columns.join('\t')}\n`).join(''),
    // Without a network there is nobody to ask; the image's own would be asked in vain.
    '/etc/resolv.conf': enabled ? `nameserver ${GATEWAY.v4}\n` : '',
  };
}
