import type { Bytes } from "../../base/bytes.js";
import { textOf } from "../../base/bytes.js";
import type { FailureKind } from "../../base/failure.js";
import { redactUrl } from "../../base/redact.js";
import { decodeErrors, type Exchange, type OciError, RegistryFailure } from "../../oci/errors.js";
import { parseJson } from "../../oci/json.js";

/** What came back from the last hop of a request. */
export interface Answer {
  readonly method: string;
  /** Where it came from, after redirects. */
  readonly url: URL;
  readonly status: number;
  /** The first value of a header. */
  header(name: string): string | undefined;
  /** The whole body (of an error: its beginning); empty where it is streamed. */
  readonly bytes: Uint8Array;
  /** The body of an answer that was asked for as a stream. */
  readonly body: (Bytes & { destroy(): void }) | undefined;
}

/** What registries and the clouds they run in call a request. */
const requestIds = [
  "x-request-id",
  "x-github-request-id",
  "x-amzn-requestid",
  "x-ms-request-id",
  "x-ms-correlation-request-id",
  "cf-ray",
];

/** The errors of an OCI error body; undefined where the body is none. */
export function errorsOf(answer: Answer): readonly OciError[] | undefined {
  const text = textOf(answer.bytes)?.trimStart();
  if (text === undefined || !text.startsWith("{")) return undefined;
  try {
    return decodeErrors(JSON.parse(text));
  } catch (error) {
    // Broken JSON is no error body; what it is instead is for the caller to name.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export const exchangeOf = (answer: Answer): Exchange => ({
  method: answer.method,
  url: redactUrl(answer.url.href),
  status: answer.status,
  requestId: requestIds.map(answer.header).find((id) => id !== undefined),
  errors: errorsOf(answer) ?? [],
});

/** Pages of proxies, portals and wrong addresses. */
export function isWebPage(answer: Answer): boolean {
  return (
    /\b(html|xhtml)\b/i.test(answer.header("content-type") ?? "") ||
    /^\s*<(!doctype|html)/i.test(textOf(answer.bytes.subarray(0, 200)) ?? "")
  );
}

/** Text of others, fit to be shown: what a terminal could obey is taken out, what is too long cut off. */
const plain = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").slice(0, 300);

/** `GET https://host/v2/x/tags/list answered 404: NAME_UNKNOWN (no such repository)`. */
export function describeAnswer(answer: Answer): string {
  const { method, url, status, requestId, errors } = exchangeOf(answer);
  const said = errors
    .map(({ code, message }) => plain(message === "" ? code : `${code} (${message})`))
    .join(", ");
  const id = requestId === undefined ? "" : ` [request ${requestId}]`;
  const page = said === "" && isWebPage(answer) ? " with a web page" : "";
  return `${method} ${url} answered ${status}${page}${said === "" ? "" : `: ${said}`}${id}`;
}

export interface AnswerFailureOptions {
  readonly code: string;
  readonly hint?: string | undefined;
  /** What is wrong with it, after what it was. */
  readonly why?: string | undefined;
}

export function answerFailure(
  kind: FailureKind,
  answer: Answer,
  { why, ...options }: AnswerFailureOptions,
): RegistryFailure {
  const message = why === undefined ? describeAnswer(answer) : `${describeAnswer(answer)}, ${why}`;
  return new RegistryFailure(kind, message, { ...options, exchange: exchangeOf(answer) });
}

/** An answer that the protocol does not know at this place. */
export function unexpected(answer: Answer, why?: string): RegistryFailure {
  if (isWebPage(answer))
    return answerFailure("unsupported", answer, {
      code: "registry.not-a-registry",
      why,
      hint: "Check the address: a proxy, a login page or a web site answers there, no registry.",
    });
  if (answer.status === 507)
    return answerFailure("unavailable", answer, {
      code: "registry.no-space",
      hint: "The registry has no room left, or your quota there is used up: delete what is not needed, then try again.",
    });
  return answerFailure(answer.status >= 500 ? "unavailable" : "unsupported", answer, {
    code: "registry.unexpected-answer",
    why,
    hint: "Check the address: what answers there does not do what a registry has to.",
  });
}

/** @throws RegistryFailure `registry.not-a-registry`; Failure `oci.document-invalid` */
export function jsonOf(answer: Answer): unknown {
  if (isWebPage(answer)) throw unexpected(answer);
  return parseJson(answer.bytes, `what ${answer.method} ${redactUrl(answer.url.href)} answered`);
}
