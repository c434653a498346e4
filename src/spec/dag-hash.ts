import { Failure } from "../base/failure.js";

/** Spack's DAG hash: 32 characters of lower-case base32 (RFC 4648 alphabet, no padding). */
export type DagHash = string & { readonly __dagHash: unique symbol };

export const isDagHash = (text: string): text is DagHash => /^[a-z2-7]{32}$/.test(text);

/** @throws Failure `spec.hash-invalid` */
export function parseDagHash(text: string): DagHash {
  if (isDagHash(text)) return text;
  throw new Failure("usage", `"${text}" is not a DAG hash (32 of a-z and 2-7)`, {
    code: "spec.hash-invalid",
    subject: text,
  });
}
