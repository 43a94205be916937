/** Totals of all boxes of a home, over the lives of all its processes. */
export interface RuntimeMetrics {
  readonly boxesCreatedTotal: number;
  /** Boxes that failed to start. */
  readonly boxesFailedTotal: number;
  readonly numRunningBoxes: number;
  /** Calls of `run()`. */
  readonly totalCommandsRun: number;
  /** Calls of `run()` that failed; an exit code other than 0 is no failure. */
  readonly totalRunErrors: number;
}

/** Measurements of one box; null is what is not known. */
export interface BoxMetrics {
  /** Calls of `run()` on this box. */
  readonly commandsRunTotal: number;
  /** Those that failed; an exit code other than 0 is no failure. */
  readonly runErrorsTotal: number;
  /** Bytes sent to commands' stdin. */
  readonly bytesSentTotal: number;
  /** Bytes received from commands' stdout and stderr. */
  readonly bytesReceivedTotal: number;
  /** From `create()` to the box's being ready for commands. */
  readonly totalCreateDurationMs: number | null;
  /** From the VMM's start to the agent's first word. */
  readonly guestBootDurationMs: number | null;
  /** Of the VMM's process tree; 100 is all of the box's processors. */
  readonly cpuPercent: number | null;
  /** Host memory of the VMM's process tree. */
  readonly memoryBytes: number | null;
  readonly networkBytesSent: number | null;
  readonly networkBytesReceived: number | null;
  /** Open now. */
  readonly networkTcpConnections: number | null;
  readonly networkTcpErrors: number | null;
  /** Stage 1 of the last start: the box's directory, and the ports that the host listens on. */
  readonly stageFilesystemSetupMs: number | null;
  /** Stage 2: the image pulled and made a disk. */
  readonly stageImagePrepareMs: number | null;
  /** Stage 3: the guest's own files, the agent and its kernel; found before the image is. */
  readonly stageGuestRootfsMs: number | null;
  /** Stage 4: the box's disk and the plan of the VMM. */
  readonly stageBoxConfigMs: number | null;
  /** Stage 5: the VMM's process, to the agent's first word. */
  readonly stageBoxSpawnMs: number | null;
  /** Stage 6: the container in the guest. */
  readonly stageContainerInitMs: number | null;
}
