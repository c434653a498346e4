import { setImmediate } from "node:timers/promises";
import type { BinaryDistribution } from "../../archive/binary-distribution.js";
import { type Compressor, defaultCompressor } from "../../archive/compressor.js";
import { type ArchiveSummary, gzip } from "../../archive/gzip.js";
import { type PackRequest, packPrefix } from "../../archive/pack.js";
import { zstd } from "../../archive/zstd.js";
import { systemFiles } from "../system/files.js";
import { loadLibdeflate } from "./libdeflate.js";
import type { TaskContext } from "./task.js";

export interface PackInput extends PackRequest {
  /** The file to write, new. It is removed again if the task fails. */
  readonly out: string;
  readonly compressor?: Compressor | undefined;
}

export interface PackResult extends ArchiveSummary {
  readonly distribution: BinaryDistribution;
}

/** Packs one prefix into a compressed tar file, as Spack's tarball of a package. */
export async function packTask(input: PackInput, context: TaskContext): Promise<PackResult> {
  const out = systemFiles.create(input.out, 0o600);
  try {
    let distribution: BinaryDistribution | undefined;
    const pieces = (function* () {
      distribution = yield* packPrefix(input, systemFiles);
    })();
    const summary = await compress(pieces, out.write, {
      ...context,
      ...(input.compressor ?? defaultCompressor),
    });
    if (distribution === undefined) throw new Error("the archive was not read to its end");
    return { ...summary, distribution };
  } catch (error) {
    systemFiles.remove(input.out);
    throw error;
  } finally {
    out.close();
  }
}

async function compress(
  content: Iterable<Uint8Array>,
  write: (bytes: Uint8Array) => void,
  { engine, level, ...context }: Compressor & TaskContext,
): Promise<ArchiveSummary> {
  if (engine === "zstd") {
    // It works in this thread, which hears in between whether it is to stop.
    const writeAndListen = async (bytes: Uint8Array): Promise<void> => {
      write(bytes);
      await setImmediate();
    };
    return await zstd(content, writeAndListen, { ...context, level });
  }
  await using other = engine === "libdeflate" ? loadLibdeflate().compressor(level) : undefined;
  return await gzip(content, write, { ...context, level, compressMember: other?.compress });
}
