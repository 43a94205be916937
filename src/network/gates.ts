/** What looks into HTTP and TLS. Loaded for boxes that have rules or secrets: Node's HTTP/2 alone takes megabytes. */
import type { Http1Gate } from './http/http1-gate.ts';

/** See the top of this file. */
export interface Gates {
  readonly http1: Http1Gate;
  readonly serveHttp2: typeof import('./http/http2-gate.ts').serveHttp2;
  readonly openGuest: typeof import('./tls/intercept.ts').openGuest;
  readonly openServer: typeof import('./tls/intercept.ts').openServer;
}

/** The gates of one box's network. */
export async function loadGates(): Promise<Gates> {
  const [{ Http1Gate }, { serveHttp2 }, { openGuest, openServer }] = await Promise.all([
    import('./http/http1-gate.ts'),
    import('./http/http2-gate.ts'),
    import('./tls/intercept.ts'),
  ]);
  return { http1: new Http1Gate(), serveHttp2, openGuest, openServer };
}
