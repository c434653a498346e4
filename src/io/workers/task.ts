/** What a task has of the thread that asked for it. */
export interface TaskContext {
  /** Aborted when the caller's is; looked at whenever the task awaits something. */
  readonly signal: AbortSignal;
  /** Tells the caller that so many more bytes are done. */
  readonly advanced: (bytes: number) => void;
}
