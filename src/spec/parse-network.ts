// pure
/** The options about the network: what may be reached, what is listened on, and the secrets. */

import type { NetworkAccess, PortMapping, SecretRule } from './box-spec.ts';
import { formatIpAddress, overlap, parseIpAddress } from './ip-address.ts';
import { networkRule, secretHost } from './network-rule.ts';
import { portText } from './port-text.ts';
import {
  invalid,
  isRecord,
  list,
  mistyped,
  nonEmptyText,
  oneOf,
  optional,
  quote,
  type Read,
  shape,
  text,
  wholeNumber,
} from './reader.ts';

const networkMode = oneOf(['enabled', 'disabled', 'isolated']);
const networkFields = shape({ mode: networkMode, allowNet: optional(list(networkRule), []) });

/** The option `network`. */
export const network: Read<NetworkAccess> = (value, path) => {
  if (typeof value !== 'string' && !isRecord(value)) {
    throw mistyped(path, '"enabled", "disabled" or { mode, allowNet }', value);
  }
  const fields = isRecord(value) ? networkFields(value, path) : null;
  const allowNet = Object.freeze(fields?.allowNet ?? []);
  if ((fields?.mode ?? networkMode(value, path)) !== 'disabled') {
    return Object.freeze({ mode: 'enabled', allowNet });
  }
  if (allowNet.length > 0) {
    throw invalid(`${path}.allowNet`, 'none with mode "disabled"', `${allowNet.length}`);
  }
  return Object.freeze({ mode: 'disabled' });
};

const hostIp: Read<string> = (value, path) => {
  const address = parseIpAddress(text(value, path));
  if (address === null) throw invalid(path, 'an IP address', quote(text(value, path)));
  return formatIpAddress(address);
};

const portNumber = wholeNumber(1, 65_535);
const protocol = optional(oneOf(['tcp', 'udp']), 'tcp');
const portFields = shape({
  guestPort: portNumber,
  hostPort: optional(wholeNumber(0, 65_535), 0),
  protocol,
  hostIp: optional(hostIp, '0.0.0.0'),
});

/** One of the option `ports`. */
export const port: Read<PortMapping> = (value, path) => {
  const fields = portFields(value, path);
  return Object.freeze({ ...fields, hostPort: fields.hostPort === 0 ? null : fields.hostPort });
};
const portList = list(port);

/** A port by what the host listens on. */
export const portName = shape({
  hostPort: portNumber,
  protocol,
  hostIp: optional(hostIp, undefined),
  guestPort: optional(portNumber, undefined),
});

/** The option `ports`. */
export const ports: Read<readonly PortMapping[]> = (value, path) => {
  const mappings = portList(value, path);
  for (const [i, mapping] of mappings.entries()) {
    const first = mappings.findIndex((other) => collide(other, mapping));
    if (first < i) {
      throw invalid(`${path}[${i}]`, `another port than ${path}[${first}]`, portText(mapping));
    }
  }
  return mappings;
};

/** Whether the host could not listen for both, or both ask for the same. */
function collide(one: PortMapping, other: PortMapping): boolean {
  if (one.protocol !== other.protocol || one.hostPort !== other.hostPort) return false;
  if (one.hostPort !== null) return overlap(one.hostIp, other.hostIp);
  return one.guestPort === other.guestPort && one.hostIp === other.hostIp;
}

/** Only the type of a secret's value ever shows in messages. */
const secretText: Read<string> = (value, path) => {
  if (typeof value !== 'string') throw mistyped(path, 'a string', value);
  if (value === '' || /[\0\r\n]/.test(value)) {
    const got = value === '' ? '""' : 'one with a line end or NUL';
    throw invalid(path, 'a line of text that is not empty', got);
  }
  return value;
};

const secretFields = shape({
  name: nonEmptyText,
  hosts: list(secretHost),
  value: secretText,
  placeholder: optional(secretText, null),
});
const secretList = list((value, path): SecretRule => {
  const { name, hosts, value: secret, placeholder } = secretFields(value, path);
  if (hosts.length === 0) throw invalid(`${path}.hosts`, 'at least one host', 'none');
  if (!/^[\x20-\x7e]+$/.test(name)) {
    throw invalid(`${path}.name`, 'printable ASCII characters', quote(name));
  }
  return Object.freeze({
    name,
    variable: `BOXLITE_SECRET_${name.replace(/[^a-zA-Z0-9]/g, '_').toUpperCase()}`,
    hosts,
    placeholder: placeholder ?? `<BOXLITE_SECRET:${name}>`,
    value: secret,
  });
});

/** The option `secrets`. */
export const secrets: Read<readonly SecretRule[]> = (value, path) => {
  const rules = secretList(value, path);
  for (const [i, rule] of rules.entries()) {
    for (const [first, other] of rules.slice(0, i).entries()) {
      if (other.variable === rule.variable) {
        throw invalid(
          `${path}[${i}].name`,
          `another variable than ${path}[${first}]`,
          rule.variable,
        );
      }
      if (other.placeholder === rule.placeholder) {
        throw invalid(`${path}[${i}].placeholder`, `another than ${path}[${first}]'s`, 'the same');
      }
    }
  }
  return rules;
};
