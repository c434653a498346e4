import * as v from "valibot";
import { textOf } from "../base/bytes.js";
import { Failure } from "../base/failure.js";
import { isTooDeep, mostNesting } from "../base/nesting.js";

/** Manifests, configs and answers are metadata: past this many bytes they are refused (distribution-spec 1.1). */
export const maxMetadataSize = 4 * 1024 * 1024;

export function invalidDocument(subject: string, why: string, cause?: unknown): Failure {
  return new Failure("corrupt", `${subject} ${why}`, { code: "oci.document-invalid", subject, cause });
}

/**
 * JSON text as a value.
 * @param subject what the bytes are, for the message
 * @throws Failure `oci.document-invalid`
 */
export function parseJson(bytes: Uint8Array, subject: string, limit = maxMetadataSize): unknown {
  if (bytes.byteLength > limit)
    throw invalidDocument(subject, `has ${bytes.byteLength} bytes, more than the ${limit} allowed`);
  if (isTooDeep(bytes)) throw invalidDocument(subject, `is nested more than ${mostNesting} deep`);
  const text = textOf(bytes);
  if (text === undefined) throw invalidDocument(subject, "is not UTF-8");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalidDocument(subject, `is not JSON: it starts ${JSON.stringify(text.slice(0, 40))}`, cause);
  }
}

/** @throws Failure `oci.document-invalid`, naming the first key that does not fit */
export function assertShape<const S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  subject: string,
): asserts value is v.InferOutput<S> {
  const issue = v.safeParse(schema, value, { abortEarly: true }).issues?.[0];
  if (issue !== undefined)
    throw invalidDocument(subject, `is not valid at ${v.getDotPath(issue) ?? "its top"}: ${issue.message}`);
}
