// pure
/** How our program ends where it does not end as the command in the box did: as Docker and timeout(1) have it. */
export const exitStatus = {
  usage: 2,
  timedOut: 124,
  /** A failure of our own. */
  failed: 125,
  notExecutable: 126,
  notFound: 127,
  /** To which the number of the signal is added that ended the command. */
  signaled: 128,
  /** Nobody reads our output any more: as SIGPIPE would end it. */
  brokenPipe: 141,
} as const;
