import { readFile } from "node:fs/promises";
import { Failure } from "../base/failure.js";
import { diskFailure } from "../io/disk/disk-failure.js";
import { createCertificateChecker } from "../io/sigstore/certificate-checker.js";
import type { CertificateChecker } from "../trust/endorsement.js";

/**
 * Checks the certificates of identities by a trusted root that is pinned in a file: nothing is asked of the network.
 * @throws Failure `trust.root-missing`, `oci.document-invalid`
 */
export async function openCertificateChecker(
  path: string | undefined,
  { origin }: { readonly origin: string },
): Promise<CertificateChecker> {
  if (path === undefined)
    throw new Failure("usage", `${origin} trusts identities, and names no trusted-root to check them by`, {
      code: "trust.root-missing",
      subject: origin,
      hint: "`cosign trusted-root create`, or sigstore's TUF repository, makes the file that trusted-root names.",
    });
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw diskFailure(cause, { doing: "read", path });
  }
  return createCertificateChecker(bytes, { subject: path });
}
