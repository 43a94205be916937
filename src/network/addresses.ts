// pure
/** Who is who on the link between a box and its gateway, in canonical text. The same in every box. */

/** Answers DNS and echo requests, and is the box's default route. */
export const GATEWAY = { v4: '192.168.127.1', v6: 'fd6b:7865:6c69::1' } as const;
/** The box itself. */
export const BOX = { v4: '192.168.127.2', v6: 'fd6b:7865:6c69::2' } as const;
/** The host's loopback, as the box sees it. */
export const HOST_ALIAS = { v4: '192.168.127.254', v6: 'fd6b:7865:6c69::fe' } as const;
/** The name of {@link HOST_ALIAS} in a box. */
export const HOST_ALIAS_NAME = 'host.boxlite.internal';
/** The loopback addresses behind {@link HOST_ALIAS}. */
export const HOST_LOOPBACK = { v4: '127.0.0.1', v6: '::1' } as const;
/** Bits of an address that all of the link share. */
export const LINK_PREFIX = { v4: 24, v6: 64 } as const;
