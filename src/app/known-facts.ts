import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { inflate } from "../archive/gunzip.js";
import { createTarReader } from "../archive/tar-reader.js";
import { concat } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import type { OciEntry } from "../buildcache/entry.js";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";
import type { Repository } from "../oci/repository.js";
import { readSbom } from "../sbom/attached-sbom.js";
import { decodeFacts, documentLimit, type KnownFacts, noFacts } from "../sbom/facts.js";
import { sbomInvalid } from "../sbom/sbom-failure.js";

/** Where Spack 1.2 and later write a package's own document, below its prefix. */
const path = ".spack/sbom/spdx-2.3.json";

/** What Spack left in a prefix; nothing where an older one installed it. @throws Failure `sbom.invalid` */
export async function factsInPrefix(prefix: string): Promise<KnownFacts> {
  const file = join(prefix, path);
  try {
    return decodeFacts(await readFile(file), file);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCodeOf(error) ?? "")) return noFacts;
    throw diskFailure(error, { doing: "read", path: file });
  }
}

/** What Spack left in a package's tarball, all of which is read: its digest is of the whole. */
export async function factsInLayer({ open, label, layer }: OciEntry, call: Call): Promise<KnownFacts> {
  const subject = `${label}@${layer.digest}`;
  const chunks: Uint8Array[] = [];
  let isWanted = false;
  const reader = createTarReader(
    {
      entry({ type, name, size }) {
        isWanted = type === "file" && chunks.length === 0 && name.endsWith(`/${path}`);
        if (isWanted && size > documentLimit) throw sbomInvalid(`${subject}:${name}`, `has ${size} bytes`);
      },
      data(chunk) {
        if (isWanted) chunks.push(chunk.slice());
      },
    },
    subject,
  );
  for await (const chunk of inflate(open(call), { ...call, subject })) reader.push(chunk);
  reader.end();
  return chunks.length === 0 ? noFacts : decodeFacts(concat(chunks), `${subject}:${path}`);
}

/** What is attached to a package tells. */
export async function factsAttached(
  attached: Repository,
  { manifest, spec }: OciEntry,
  call: Call,
): Promise<KnownFacts> {
  const subject = { digest: manifest.descriptor.digest, hash: spec.hash };
  const found = await readSbom(attached, subject, { ...call, format: "spdx" });
  return found === undefined ? noFacts : decodeFacts(found.bytes, `${attached.label}@${found.digest}`);
}
