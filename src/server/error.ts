import { jsonResponse, type Response } from "./http.js";

/** Codes of distribution-spec 1.1, "Error Codes", each with the status it has here unless said otherwise. */
const statuses = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  /** 400, as distribution has it: a 404 to a push would read as if the repository were not there. */
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  /** Not of the spec, which has no word for a fault of the server; distribution says it too. */
  UNKNOWN: 500,
} as const;

export type ErrorCode = keyof typeof statuses;

/** A request that is refused, in the protocol's own words. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { status?: number; detail?: unknown; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.code = code;
    this.status = options.status ?? statuses[code];
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }

  toResponse(): Response {
    const { code, message, detail } = this;
    return jsonResponse(
      { errors: [{ code, message, detail }] },
      { status: this.status, headers: this.headers },
    );
  }
}
