// pure
/** A connection, or datagrams between one port of a box and one destination. */
export interface ConnectionRecord {
  /** Counts the box's connections from its start. */
  readonly id: number;
  readonly protocol: 'tcp' | 'udp';
  readonly from: { readonly address: string; readonly port: number };
  readonly to: { readonly address: string; readonly port: number };
  readonly state: ConnectionState;
  /** Payload from the box, and to it. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** In ms since 1970. */
  readonly openedAt: number;
  /** Null while it is open. */
  readonly closedAt: number | null;
}

/** How it is with a connection: `closed` if it ended as it should; `refused`, `reset` and `timed-out` if not. */
export type ConnectionState = 'asked' | 'open' | 'closed' | 'refused' | 'reset' | 'timed-out';
