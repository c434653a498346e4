import type { FailureDocument } from "./failure.js";

/** One piece of work that a person may watch. */
export interface Task {
  /** Unique within one operation. */
  readonly id: string;
  readonly verb:
    | "pack"
    | "upload"
    | "download"
    | "unpack"
    | "index"
    | "image"
    | "check"
    | "copy"
    | "delete"
    | "sign";
  /** What it is done to, short enough for one line: `greet@2.1.0/fnjwovn`. */
  readonly subject: string;
  /** Total size where it is known. */
  readonly bytes?: number | undefined;
}

/** What an operation reports while it runs. Only the command line draws it. */
export type ProgressEvent =
  | { readonly type: "planned"; readonly tasks: number; readonly bytes?: number | undefined }
  | { readonly type: "started"; readonly task: Task }
  /** `bytes` more have been processed since the event before. */
  | { readonly type: "advanced"; readonly task: Task; readonly bytes: number }
  | { readonly type: "finished"; readonly task: Task; readonly outcome: string }
  | { readonly type: "failed"; readonly task: Task; readonly failure: FailureDocument }
  | { readonly type: "note"; readonly level: "info" | "warning"; readonly message: string };

export type Report = (event: ProgressEvent) => void;
