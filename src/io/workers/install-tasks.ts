import { createReadStream } from "node:fs";
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
    open: () => createReadStream(input.archive, { highWaterMark: 256 * 1024 }),
  });

/** Makes an unpacked package ready for its prefix. */
export async function finishTask(input: FinishJob): Promise<void> {
  finishPackage(input, installFiles);
}

/** Compares a prefix with its manifest. */
export const verifyTask = async (prefix: string): Promise<Verified> => verifyPrefix(prefix, installFiles);
