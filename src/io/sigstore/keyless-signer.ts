import { Failure } from "../../base/failure.js";
import type { Signer } from "../../trust/signer.js";

/** Where certificates come from, and who witnesses signatures. */
export interface SigstoreServices {
  readonly fulcioUrl: string;
  /** undefined: no log is told. */
  readonly rekorUrl: string | undefined;
  readonly tsaUrl: string | undefined;
}

export const publicServices: SigstoreServices = {
  fulcioUrl: "https://fulcio.sigstore.dev",
  rekorUrl: "https://rekor.sigstore.dev",
  tsaUrl: undefined,
};

export interface KeylessOptions extends SigstoreServices {
  /** A fresh token of the job, made out to `sigstore`: asked for each certificate, as it lives for minutes. */
  readonly token: () => Promise<string>;
}

/**
 * Signs with a certificate of minutes that Fulcio gives to the one a token names, and has Rekor or a time stamp
 * authority witness when: the sigstore libraries do it. Bundles only, as cosign 3 makes them.
 */
export async function keylessSigner(options: KeylessOptions): Promise<Signer> {
  const { DSSEBundleBuilder, FulcioSigner, RekorWitness, TSAWitness } = await import("@sigstore/sign");
  const { bundleToJSON } = await import("@sigstore/bundle");
  const { fulcioUrl, rekorUrl, tsaUrl, token } = options;
  const identity = await token();
  const builder = new DSSEBundleBuilder({
    // One key pair and certificate for each signature: a certificate is a matter of minutes, a push of hours.
    signer: new FulcioSigner({ fulcioBaseURL: fulcioUrl, identityProvider: { getToken: token } }),
    witnesses: [
      ...(rekorUrl === undefined
        ? []
        : [new RekorWitness({ rekorBaseURL: rekorUrl, entryType: "dsse" as const })]),
      ...(tsaUrl === undefined ? [] : [new TSAWitness({ tsaBaseURL: tsaUrl })]),
    ],
  });
  return {
    name: subjectOf(identity),
    publicKey: undefined,
    sign: async () => {
      throw new Failure("unsupported", "a certificate of a job signs bundles (cosign 3) only", {
        code: "sign.format-keyless",
        hint: "Leave out --signature-format, or sign with a --key.",
      });
    },
    async bundle({ payload, payloadType }) {
      try {
        const bundle = await builder.create({ data: Buffer.from(payload), type: payloadType });
        return new TextEncoder().encode(JSON.stringify(bundleToJSON(bundle)));
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new Failure("unavailable", `cannot sign without a key: ${why}`, {
          code: "sign.keyless-failed",
          subject: fulcioUrl,
          hint: "Look at the service's state, and whether the job may ask for a token; or sign with a --key.",
          cause: withoutRequest(cause),
        });
      }
    },
  };
}

/** The libraries keep the whole exchange in their errors, in which the token is. */
function withoutRequest(cause: unknown): Error {
  return new Error(cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause));
}

/** Whom a token names: unverified, for messages only. */
function subjectOf(token: string): string {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
    const subject = typeof claims === "object" && claims !== null ? Reflect.get(claims, "sub") : undefined;
    return typeof subject === "string" ? subject : "the job";
  } catch {
    // Fulcio will say what is wrong with it.
    return "the job";
  }
}
