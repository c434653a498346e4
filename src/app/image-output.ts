import { createWriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { BuiltImage } from "../image/build-image.js";
import { dockerArchive } from "../image/docker-archive.js";
import { temporaryPathOf } from "../io/disk/atomic.js";
import { diskFailure } from "../io/disk/disk-failure.js";

/** Where an image goes that is not for the mirror. */
export type Output =
  | { readonly type: "layout"; readonly directory: string; readonly tag: string | undefined }
  | { readonly type: "archive"; readonly file: string };

/** @throws Failure `image.output-unknown` */
export function parseOutput(text: string, cwd: string): Output {
  const layout = /^oci:(?!\/\/)(.+?)(?::([^/:]+))?$/.exec(text);
  if (layout?.[1] !== undefined)
    return { type: "layout", directory: resolve(cwd, layout[1]), tag: layout[2] };
  const file = /^docker-archive:(.+)$/.exec(text)?.[1];
  if (file !== undefined) return { type: "archive", file: resolve(cwd, file) };
  throw new Failure("usage", `cannot write an image to ${text}`, {
    code: "image.output-unknown",
    subject: text,
    hint: "Write oci:DIR[:TAG] or docker-archive:FILE; without --output it goes to the mirror.",
  });
}

/** @returns bytes of layers */
export async function writeArchive(
  built: BuiltImage,
  file: string,
  options: Call & { readonly name: string },
): Promise<number> {
  const temporary = temporaryPathOf(file);
  try {
    await mkdir(dirname(file), { recursive: true });
    await pipeline(dockerArchive(built, options), createWriteStream(temporary, { flags: "wx" }));
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskFailure(error, { doing: "write", path: file });
  }
  return built.layers.reduce((sum, { content }) => sum + content.descriptor.size, 0);
}
