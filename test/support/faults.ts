import type { Bytes } from "../../src/base/bytes.js";
import type { Handler, Request, Response } from "../../src/server/http.js";

/** What can go wrong with a request on its way through a real registry. */
export type Fault =
  /** The connection is reset before the registry sees the request. */
  | "reset"
  /** The registry does it, and the connection is reset before the answer. */
  | "reset-after"
  /** Nothing is answered until the registry is closed. */
  | "stall"
  /** This is answered instead. */
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** The request's body is cut, and the connection reset, after so many bytes have reached the registry. */
  | { readonly cutUpload: number }
  /** The answer's body is cut, and the connection reset, after so many bytes. */
  | { readonly cutDownload: number }
  /** The answer's body ends early as if it were whole: `Content-Length` is given as less. */
  | { readonly shorten: number }
  /** The answer's first byte is another one. */
  | "corrupt"
  /** Done and answered, but only after so many milliseconds. */
  | { readonly delay: number };

/** `seen`: how many requests of this method there have been, this one included. */
export type ChooseFault = (request: Request, seen: number) => Fault | undefined;

/** A handler with faults: the one given does the work, and hooks round it make it go wrong. */
export function withFaults(handler: Handler, choose: ChooseFault): Handler {
  const seen = new Map<string, number>();
  return async (request) => {
    const count = (seen.get(request.method) ?? 0) + 1;
    seen.set(request.method, count);
    const fault = choose(request, count);
    return fault === undefined ? handler(request) : withFault(handler, request, fault);
  };
}

/** What a fault throws: the one error of a registry that is meant to be. */
export class Cut extends Error {}

async function withFault(handler: Handler, request: Request, fault: Fault): Promise<Response> {
  if (fault === "reset") throw new Cut();
  if (fault === "stall") return new Promise(() => {});
  if (fault === "reset-after") {
    await drain((await handler(request)).body);
    throw new Cut();
  }
  if (fault === "corrupt") {
    const response = await handler(request);
    return { ...response, body: corrupted(response.body) };
  }
  if ("status" in fault) {
    const body = new TextEncoder().encode(fault.body ?? "");
    return {
      status: fault.status,
      headers: { "Content-Length": String(body.byteLength), ...fault.headers },
      body: request.method === "HEAD" ? undefined : body,
    };
  }
  if ("cutUpload" in fault) {
    await handler({ ...request, body: cut(request.body, fault.cutUpload) });
    throw new Cut();
  }
  if ("delay" in fault) {
    await new Promise((resolve) => setTimeout(resolve, fault.delay));
    return handler(request);
  }
  const response = await handler(request);
  if ("cutDownload" in fault)
    return { ...response, body: response.body && cut(chunked(response.body), fault.cutDownload) };
  const size = Math.max(0, Number(response.headers["Content-Length"] ?? 0) - fault.shorten);
  return {
    ...response,
    headers: { ...response.headers, "Content-Length": String(size) },
    body: response.body && first(chunked(response.body), size),
  };
}

async function* chunked(body: Uint8Array | Bytes): Bytes {
  if (body instanceof Uint8Array) yield body;
  else yield* body;
}

async function* first(bytes: Bytes, count: number): Bytes {
  let left = count;
  for await (const chunk of bytes) {
    if (left <= 0) return;
    yield chunk.subarray(0, left);
    left -= chunk.byteLength;
  }
}

async function* cut(bytes: Bytes, after: number): Bytes {
  yield* first(bytes, after);
  // A reset overtakes what was sent just before it: it is to arrive.
  await new Promise((resolve) => setTimeout(resolve, 10));
  throw new Cut();
}

async function* corrupted(body: Response["body"]): Bytes {
  let isFirst = true;
  for await (const chunk of chunked(body ?? new Uint8Array())) {
    const copy = Uint8Array.from(chunk);
    if (isFirst) copy[0] = (copy[0] ?? 0) ^ 1;
    isFirst = false;
    yield copy;
  }
}

async function drain(body: Response["body"]): Promise<void> {
  for await (const chunk of chunked(body ?? new Uint8Array())) void chunk;
}
