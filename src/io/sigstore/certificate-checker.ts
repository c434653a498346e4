import type { Bundle } from "@sigstore/bundle";
import { Failure } from "../../base/failure.js";
import { digestOf } from "../../oci/digest.js";
import { parseJson } from "../../oci/json.js";
import { type CertificateChecker, distrust } from "../../trust/endorsement.js";

/**
 * Checks certificates, logs and time stamps by a trusted root, without any network: by the sigstore libraries, which
 * are loaded at the first certificate.
 * @param bytes of the JSON of a sigstore trusted root
 * @throws Failure `oci.document-invalid`, later `trust.root-invalid`
 */
export function createCertificateChecker(
  bytes: Uint8Array,
  { subject }: { readonly subject: string },
): CertificateChecker {
  const root = parseJson(bytes, subject);
  let loaded: ReturnType<typeof load> | undefined;
  return {
    root: digestOf(bytes),
    async check(json, { artifact } = {}) {
      loaded ??= load(root, subject);
      const { bundleFromJSON, toSignedEntity, verifier } = await loaded;
      try {
        const bundle = bundleFromJSON(json);
        const { identity } = verifier.verify(
          toSignedEntity(bundle, artifact === undefined ? undefined : Buffer.from(artifact)),
        );
        const { subjectAlternativeName, extensions } = identity ?? {};
        if (subjectAlternativeName === undefined || extensions?.issuer === undefined)
          throw new Error("its certificate names no subject, or no issuer");
        return { subject: subjectAlternativeName, issuer: extensions.issuer, signedAt: timeOf(bundle) };
      } catch (cause) {
        // The libraries throw errors of their own for all that is wrong with a bundle.
        const why = cause instanceof Error ? cause.message : String(cause);
        throw distrust(`the certificate of a signature does not verify by ${subject}: ${why}`, {
          code: "trust.certificate-invalid",
          subject,
          cause,
        });
      }
    },
  };
}

/** When the log took it in, where it has signed that it did then: a proof of inclusion has no time in it. */
function timeOf({ verificationMaterial }: Bundle): Date | undefined {
  const entry = verificationMaterial.tlogEntries.find(
    ({ inclusionPromise }) => inclusionPromise !== undefined,
  );
  const seconds = Number(entry?.integratedTime ?? 0);
  return seconds > 0 ? new Date(seconds * 1000) : undefined;
}

async function load(root: unknown, subject: string) {
  try {
    const [{ bundleFromJSON }, { toSignedEntity, toTrustMaterial, Verifier }, { TrustedRoot }] =
      await Promise.all([
        import("@sigstore/bundle"),
        import("@sigstore/verify"),
        import("@sigstore/protobuf-specs"),
      ]);
    const trustedRoot = TrustedRoot.fromJSON(root);
    const verifier = new Verifier(toTrustMaterial(trustedRoot), {
      // A root without certificate logs is one of a private authority that has none.
      ctlogThreshold: trustedRoot.ctlogs.length > 0 ? 1 : 0,
      tlogThreshold: trustedRoot.tlogs.length > 0 ? 1 : 0,
      timestampThreshold: 1,
    });
    return { bundleFromJSON, toSignedEntity, verifier };
  } catch (cause) {
    if (isMissing(cause))
      throw new Failure(
        "unsupported",
        "signatures with certificates cannot be checked: @sigstore/verify is missing",
        {
          code: "trust.sigstore-missing",
          hint: "Install stowage with its optional dependencies, or trust keys.",
          cause,
        },
      );
    throw new Failure("usage", `${subject} is no trusted root of sigstore`, {
      code: "trust.root-invalid",
      subject,
      cause,
    });
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error &&
  "code" in error &&
  // The command is a script, in which import() is require().
  (error.code === "ERR_MODULE_NOT_FOUND" || error.code === "MODULE_NOT_FOUND");
