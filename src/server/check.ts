import { type Call, checkInterrupted } from "../base/call.js";
import { algorithmOf, createDigester, type Digest } from "../oci/digest.js";
import { RegistryError } from "./error.js";
import { readManifest } from "./manifest.js";
import type { RepositoryStorage, Storage } from "./storage.js";

export interface StorageReport {
  readonly repositories: number;
  readonly manifests: number;
  readonly blobs: number;
  readonly problems: readonly StorageProblem[];
}

export interface StorageProblem {
  readonly repository: string;
  /** The manifest or blob it is about. */
  readonly digest?: Digest | undefined;
  readonly problem: string;
}

export interface CheckOptions extends Call {
  /** Removes what is not as its digest says: while it is there, nobody pushes it again. */
  readonly repair?: boolean | undefined;
}

/** Reads everything, and tells what is not as its digest says, or is referred to and not there. */
export async function checkStorage(
  storage: Storage,
  { repair = false, ...call }: CheckOptions = {},
): Promise<StorageReport> {
  const problems: StorageProblem[] = [];
  const report = { repositories: 0, manifests: 0, blobs: 0, problems };
  for (const name of await storage.repositories()) {
    const repository = storage.repository(name);
    report.repositories += 1;
    for (const digest of await repository.blobs()) {
      checkInterrupted(call);
      report.blobs += 1;
      if (await isIntact(repository, digest)) continue;
      problems.push({ repository: name, digest, problem: "its bytes have another digest" });
      if (!repair) continue;
      await repository.deleteManifest(digest);
      await repository.deleteBlob(digest);
    }
    for (const digest of await repository.manifests()) {
      checkInterrupted(call);
      report.manifests += 1;
      for (const problem of await problemsOfManifest(repository, digest))
        problems.push({ repository: name, digest, problem });
    }
  }
  return report;
}

async function problemsOfManifest(repository: RepositoryStorage, digest: Digest): Promise<readonly string[]> {
  const manifest = await repository.manifest(digest);
  if (manifest === undefined) return ["the manifest is listed, but not there"];
  const problems: string[] = [];
  try {
    for (const blob of readManifest(manifest.bytes, manifest.mediaType).blobs)
      if ((await repository.blob(blob)) === undefined)
        problems.push(`it refers to ${blob}, which is not there`);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    problems.push(error.message);
  }
  return problems;
}

async function isIntact(repository: RepositoryStorage, digest: Digest): Promise<boolean> {
  const digester = createDigester(algorithmOf(digest));
  const blob = await repository.blob(digest);
  for await (const chunk of blob?.read() ?? []) digester.update(chunk);
  return digester.digest() === digest;
}
