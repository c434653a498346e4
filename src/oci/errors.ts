import * as v from "valibot";
import { Failure, type FailureKind, type FailureOptions } from "../base/failure.js";

/** Codes of distribution-spec 1.1, "Error Codes", and `UNKNOWN`, which registries use besides. */
export type OciErrorCode =
  | "BLOB_UNKNOWN"
  | "BLOB_UPLOAD_INVALID"
  | "BLOB_UPLOAD_UNKNOWN"
  | "DIGEST_INVALID"
  | "MANIFEST_BLOB_UNKNOWN"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "SIZE_INVALID"
  | "UNAUTHORIZED"
  | "DENIED"
  | "UNSUPPORTED"
  | "TOOMANYREQUESTS"
  | "UNKNOWN";

/** One entry of an error body. `code` is any text: registries invent their own. */
export interface OciError {
  readonly code: string;
  readonly message: string;
}

const errorBody = v.object({
  errors: v.array(v.object({ code: v.fallback(v.string(), "UNKNOWN"), message: v.fallback(v.string(), "") })),
});

/** The entries of an error body; undefined where it is not one. */
export function decodeErrors(json: unknown): readonly OciError[] | undefined {
  const parsed = v.safeParse(errorBody, json);
  return parsed.success ? parsed.output.errors : undefined;
}

/** The error body that a registry answers with. */
export const errorsDocument = (
  code: OciErrorCode,
  message: string,
  detail?: unknown,
): { errors: { code: OciErrorCode; message: string; detail?: unknown }[] } => ({
  errors: [detail === undefined ? { code, message } : { code, message, detail }],
});

/** What a registry was asked and what it said, safe to show. */
export interface Exchange {
  readonly method: string;
  /** Redacted. */
  readonly url: string;
  readonly status: number | undefined;
  /** What the registry calls this request in its own log. */
  readonly requestId: string | undefined;
  readonly errors: readonly OciError[];
}

/** A failure that keeps the exchange it came from. */
export class RegistryFailure extends Failure {
  readonly exchange: Exchange;

  constructor(
    kind: FailureKind,
    message: string,
    { exchange, ...options }: FailureOptions & { readonly exchange: Exchange },
  ) {
    super(kind, message, { subject: exchange.url, ...options });
    this.exchange = exchange;
  }
}
