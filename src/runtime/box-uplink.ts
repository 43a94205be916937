import { PolicyUplink } from '../network/policy-uplink.ts';
import { CertificateAuthority } from '../network/tls/authority.ts';
import type { BoxSpec } from '../spec/box-spec.ts';
import type { NetworkRule } from '../spec/network-rule.ts';
import { NetworkLog } from './network-log.ts';

/** What a box's network leads to: its policy, its secrets, its authority, and the log of what was refused. */
export class BoxUplink implements AsyncDisposable {
  readonly uplink: PolicyUplink;
  readonly #log: NetworkLog;
  readonly #id: string;
  #authority: CertificateAuthority | null = null;

  /** `spec` with the values of its secrets. */
  constructor(spec: BoxSpec, id: string, boxDir: string) {
    this.#id = id;
    this.#log = new NetworkLog(boxDir);
    this.uplink = new PolicyUplink({
      rules: spec.network.mode === 'enabled' ? spec.network.allowNet : [],
      secrets: spec.secrets,
      authority: () => this.authority,
      onRefused: (event) => this.#log.add(event),
    });
  }

  /** Made when it is first asked for; another one each time that the box starts. */
  get authority(): CertificateAuthority {
    this.#authority ??= new CertificateAuthority(`BoxLite ${this.#id}`);
    return this.#authority;
  }

  /** Resolves when what was refused so far can be read. */
  logged(): Promise<void> {
    return this.#log.written();
  }

  setRules(rules: readonly NetworkRule[]): void {
    this.uplink.setRules(rules);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.uplink.close();
    await this.#log[Symbol.asyncDispose]();
  }
}
