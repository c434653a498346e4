import type { BinaryDistribution } from "../../archive/binary-distribution.js";
import { defaultGzipLevel, type GzipSummary, gzip } from "../../archive/gzip.js";
import { type PackRequest, packPrefix } from "../../archive/pack.js";
import { systemFiles } from "../system/files.js";
import { loadLibdeflate } from "./libdeflate.js";
import type { TaskContext } from "./task.js";

export interface PackInput extends PackRequest {
  /** The file to write, new. It is removed again if the task fails. */
  readonly out: string;
  readonly level?: number | undefined;
  readonly engine?: CompressionEngine | undefined;
}

/** What compresses. Every gunzip reads what either makes. */
export type CompressionEngine = "zlib" | "libdeflate";

export interface PackResult extends GzipSummary {
  readonly distribution: BinaryDistribution;
}

/** Packs one prefix into a gzip-compressed tar file, as Spack's tarball of a package. */
export async function packTask(input: PackInput, { signal, advanced }: TaskContext): Promise<PackResult> {
  const out = systemFiles.create(input.out, 0o600);
  try {
    let distribution: BinaryDistribution | undefined;
    const pieces = (function* () {
      distribution = yield* packPrefix(input, systemFiles);
    })();
    const { level, engine } = input;
    await using other =
      engine === "libdeflate" ? loadLibdeflate().compressor(level ?? defaultGzipLevel) : undefined;
    const summary = await gzip(pieces, out.write, {
      level,
      compressMember: other?.compress,
      signal,
      advanced,
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
