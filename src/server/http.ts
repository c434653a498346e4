import { type Bytes, bytesOf, utf8 } from "../base/bytes.js";

/** One HTTP request, wherever it came from: a socket, a test, a page in the same process. */
export interface Request {
  readonly method: string;
  /** As sent: percent-encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names are in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Bytes;
  /** `scheme://host[:port]` as the client sees this server: where absolute URLs begin. */
  readonly origin: string;
  /** Address of the other end, for the log. */
  readonly remote?: string | undefined;
  /** Ends the exchange from this side, as a lost connection would: reading `body` then throws. */
  readonly abort?: (() => void) | undefined;
}

export interface Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | Bytes | undefined;
  /** Whom the request was authenticated as, for the log. */
  readonly user?: string | undefined;
}

/** Answers a request. One that rejects has no answer: its connection is reset. */
export type Handler = (request: Request) => Promise<Response>;

/** A request made up in this process. */
export function requestOf(
  method: string,
  target: string,
  {
    headers = {},
    body = new Uint8Array(),
    origin = "http://localhost",
  }: { headers?: Record<string, string>; body?: Uint8Array | Bytes; origin?: string } = {},
): Request {
  const { pathname, searchParams } = new URL(target, origin);
  return {
    method,
    path: pathname,
    query: searchParams,
    headers: Object.fromEntries(
      Object.entries({
        ...(body instanceof Uint8Array ? { "content-length": String(body.byteLength) } : {}),
        ...headers,
      }).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    body: body instanceof Uint8Array ? bytesOf(body) : body,
    origin,
  };
}

export function jsonResponse(
  value: unknown,
  { status = 200, headers = {} }: { status?: number; headers?: Readonly<Record<string, string>> } = {},
): Response {
  const body = utf8(JSON.stringify(value));
  return {
    status,
    headers: { "Content-Type": "application/json", ...headers, "Content-Length": String(body.byteLength) },
    body,
  };
}

/** An answer that is all status and headers. */
export const emptyResponse = (status: number, headers: Readonly<Record<string, string>> = {}): Response => ({
  status,
  headers: status === 204 || status === 304 ? headers : { "Content-Length": "0", ...headers },
});

/** A header with the next page's URL (RFC 8288). */
export const linkToNext = (path: string, query: Record<string, string>): Record<string, string> => ({
  Link: `<${path}?${new URLSearchParams(query)}>; rel="next"`,
});
