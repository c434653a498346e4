import * as v from "valibot";
import { textOf, utf8 } from "../base/bytes.js";
import { type Digest, hexOf, isDigest } from "../oci/digest.js";
import { assertShape, invalidDocument, parseJson } from "../oci/json.js";

/** What somebody signed for: that this manifest is what is found under this name. */
export interface Claim {
  readonly digest: Digest;
  /** `domain/name[:tag]`; undefined where the signature does not bind a name. */
  readonly reference: string | undefined;
  /** What else was signed: texts and numbers. */
  readonly annotations: Annotations;
}

export type Annotations = Readonly<Record<string, string | number>>;

/** Annotations with a meaning here: containers-signature(5) knows the first two. */
export const claimKeys = {
  creator: "creator",
  /** Seconds since 1970, as the signer's clock says. */
  timestamp: "timestamp",
  /** Of an index: grows with each one that is signed, so that an older one is known as such. */
  counter: "dev.stowage.index.counter",
} as const;

/** A claim in one of its two written forms. */
export interface Written {
  readonly payload: Uint8Array;
  readonly payloadType: string;
}

export const simpleSigningType = "application/vnd.dev.cosign.simplesigning.v1+json";
export const statementType = "application/vnd.in-toto+json";

const signatureKind = "cosign container image signature";
const statementSchema = "https://in-toto.io/Statement/v1";
/** Predicate of a plain signature, as cosign 3 makes it. */
export const signPredicate = "https://sigstore.dev/cosign/sign/v1";

const annotations = v.record(v.string(), v.unknown());
const simple = v.looseObject({
  critical: v.looseObject({
    type: v.literal(signatureKind),
    image: v.looseObject({ "docker-manifest-digest": v.string() }),
    identity: v.looseObject({ "docker-reference": v.string() }),
  }),
  optional: v.nullish(annotations),
});

/** The payload of cosign 1 and 2 (containers-signature(5), cosign's specs/SIGNATURE_SPEC.md). */
export function encodePayload({ digest, reference, annotations }: Claim): Uint8Array {
  return utf8(
    JSON.stringify({
      critical: {
        identity: { "docker-reference": reference ?? "" },
        image: { "docker-manifest-digest": digest },
        type: signatureKind,
      },
      optional: Object.keys(annotations).length === 0 ? null : annotations,
    }),
  );
}

/** @throws Failure `oci.document-invalid` */
export function decodePayload(payload: Uint8Array, subject: string): Claim {
  const json = parseStrictly(payload, subject);
  assertShape(simple, json, subject);
  const { image, identity } = json.critical;
  const reference = identity["docker-reference"];
  return {
    digest: digestIn(image["docker-manifest-digest"], subject),
    reference: reference === "" ? undefined : reference,
    annotations: scalarsOf(json.optional),
  };
}

const statement = v.looseObject({
  _type: v.picklist([statementSchema, "https://in-toto.io/Statement/v0.1"]),
  subject: v.array(
    v.looseObject({
      name: v.nullish(v.string()),
      digest: v.record(v.string(), v.string()),
      annotations: v.nullish(annotations),
    }),
  ),
  predicateType: v.string(),
  // A plain signature of cosign 2.6 has none.
  predicate: v.optional(v.unknown()),
});

/** An in-toto statement (in-toto attestation framework 1): a predicate about things named by digest. */
export interface Statement {
  readonly subjects: readonly Claim[];
  readonly predicateType: string;
  readonly predicate: unknown;
}

export function encodeStatement({ subjects, predicateType, predicate }: Statement): Uint8Array {
  return utf8(
    JSON.stringify({
      _type: statementSchema,
      subject: subjects.map(({ digest, reference, annotations }) => ({
        ...(reference === undefined ? {} : { name: reference }),
        digest: { [digest.slice(0, digest.indexOf(":"))]: hexOf(digest) },
        ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      })),
      predicateType,
      predicate,
    }),
  );
}

/** @throws Failure `oci.document-invalid` */
export function decodeStatement(payload: Uint8Array, subject: string): Statement {
  const json = parseStrictly(payload, subject);
  assertShape(statement, json, subject);
  return {
    subjects: json.subject.map(({ name, digest, annotations }) => ({
      digest: digestIn(`sha256:${digest["sha256"]}`, subject),
      reference: name === undefined || name === null || name === "" ? undefined : name,
      annotations: scalarsOf(annotations),
    })),
    predicateType: json.predicateType,
    predicate: json.predicate,
  };
}

function parseStrictly(payload: Uint8Array, subject: string): unknown {
  if (textOf(payload) === undefined) throw invalidDocument(subject, "is not UTF-8");
  return parseJson(payload, subject);
}

function digestIn(text: string, subject: string): Digest {
  if (isDigest(text)) return text;
  throw invalidDocument(subject, `names "${text}", which is no digest`);
}

function scalarsOf(value: Readonly<Record<string, unknown>> | null | undefined): Annotations {
  return Object.fromEntries(
    Object.entries(value ?? {}).filter(
      (entry): entry is [string, string | number] =>
        typeof entry[1] === "string" || typeof entry[1] === "number",
    ),
  );
}
