import { BoxliteError, messageOf, systemCode } from '../base/errors.ts';
import type { PortMapping } from '../spec/box-spec.ts';
import { addressText, portText } from '../spec/port-text.ts';
import type { FindHolder } from './listener.ts';

/** Why the host cannot listen on a port, and what to do. */
export async function listenError(
  port: PortMapping,
  cause: unknown,
  findHolder: FindHolder,
): Promise<BoxliteError> {
  const why = await explain(port, cause, findHolder);
  return new BoxliteError('Network', `Cannot publish ${portText(port)}: ${why}`, { cause });
}

async function explain(port: PortMapping, cause: unknown, findHolder: FindHolder): Promise<string> {
  const address = addressText(port.hostIp, port.hostPort);
  switch (systemCode(cause)) {
    case 'EADDRINUSE': {
      const holder = (await findHolder(port)) ?? 'another program';
      return `${holder} has ${address} already; choose another hostPort, or 0 to have one chosen`;
    }
    case 'EACCES':
    case 'EPERM':
      return `this user may not listen on ${address}; choose a hostPort of 1024 or above`;
    case 'EADDRNOTAVAIL':
      return `this host does not have the address ${port.hostIp}; choose another hostIp`;
    default:
      return messageOf(cause);
  }
}
