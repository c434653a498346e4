import { setImmediate } from "node:timers/promises";
import { type FinishJob, finishPackage } from "../../install/finish.js";
import { type Materialized, type MaterializeJob, materialize } from "../../install/materialize.js";
import { type Verified, verifyPrefix } from "../../install/verify.js";
import { installFiles } from "../install/files.js";
import type { TaskContext } from "./task.js";

export interface MaterializeInput extends MaterializeJob {
  /** The archive: a gzip-compressed tar file. */
  readonly archive: string;
}

/** Unpacks and relocates one package into a new directory. */
export const materializeTask = (input: MaterializeInput, context: TaskContext): Promise<Materialized> =>
  materialize(input, {
    ...context,
    files: installFiles,
    open: () => chunksOf(input.archive),
  });

/** Bytes read at once. */
const chunkSize = 256 * 1024;

/** A file in chunks; each is overwritten by the next. In between, the thread hears whether it is to stop. */
async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  using file = installFiles.open(path);
  const buffer = Buffer.allocUnsafeSlow(chunkSize);
  for (;;) {
    const count = file.read(buffer);
    await setImmediate();
    if (count > 0) yield buffer.subarray(0, count);
    if (count < chunkSize) return;
  }
}

/** Makes an unpacked package ready for its prefix. */
export async function finishTask(input: FinishJob): Promise<void> {
  finishPackage(input, installFiles);
}

/** Compares a prefix with its manifest. */
export const verifyTask = async (prefix: string): Promise<Verified> => verifyPrefix(prefix, installFiles);
