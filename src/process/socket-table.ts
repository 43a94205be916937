// pure
/** Sockets as Linux lists them in /proc/net/tcp, tcp6, udp and udp6 (proc_net_tcp(5)). */
import { formatIpAddress } from '../spec/ip-address.ts';

/** A socket that waits for whoever comes. */
export interface ListeningSocket {
  readonly address: string;
  readonly port: number;
  /** What the descriptors of its owners link to: `socket:[inode]`. */
  readonly inode: number;
}

/** From the kernel's include/net/tcp_states.h; UDP sockets without a peer are "closed". */
const TCP_LISTEN = 0x0a;
const TCP_CLOSE = 0x07;

const WORD_DIGITS = 8;
const MAPPED = /^0{16}FFFF0000/i;

/** Those of a table that listen, or that a datagram from anybody would reach. */
export function listeningSockets(table: string): ListeningSocket[] {
  const rows = table.split('\n').slice(1);
  return rows.map(parseRow).filter((socket) => socket !== null);
}

function parseRow(row: string): ListeningSocket | null {
  // sl, local address, remote address, state, queues, timer, retransmits, user, timeout, inode
  const [, local = '', , state = '', , , , , , inode = ''] = row.trim().split(/\s+/);
  const match = /^((?:[0-9A-F]{8}){1,4}):([0-9A-F]{4})$/i.exec(local);
  const listens = [TCP_LISTEN, TCP_CLOSE].includes(Number.parseInt(state, 16));
  if (match === null || !listens || !/^\d+$/.test(inode)) return null;
  const [, words = '', port = ''] = match;
  return { address: addressOf(words), port: Number.parseInt(port, 16), inode: Number(inode) };
}

/** The words are in the order of the machine, which is the same on all that we run on: low byte first. */
function addressOf(words: string): string {
  const own = MAPPED.test(words) ? words.slice(3 * WORD_DIGITS) : words;
  const bytes: number[] = [];
  for (let at = 0; at < own.length; at += WORD_DIGITS) {
    const word = Number.parseInt(own.slice(at, at + WORD_DIGITS), 16);
    bytes.push(word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24);
  }
  return formatIpAddress({ family: bytes.length === 4 ? 4 : 6, bytes });
}
