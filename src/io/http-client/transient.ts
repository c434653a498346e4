import { textOf } from "../../base/bytes.js";
import { Failure } from "../../base/failure.js";
import { redactUrl } from "../../base/redact.js";
import type { Exchange } from "../../oci/errors.js";
import { RegistryFailure } from "../../oci/errors.js";
import { type Answer, describeAnswer, exchangeOf } from "./answer.js";
import { parseRetryAfter } from "./retry-after.js";
import { Stalled } from "./streams.js";
import { TransientFailure } from "./tries.js";

/** An answer that another try may better; undefined where it is final. */
export function transientAnswer(
  answer: Answer,
  { sentAt, now, redirected }: { sentAt: number; now: number; redirected: boolean },
): TransientFailure | undefined {
  const { status } = answer;
  if (status < 400) return undefined;
  const body = textOf(answer.bytes) ?? "";
  const retryAfter = parseRetryAfter(answer.header("retry-after"), { body, now });
  // GitHub answers its secondary limits with 403, and says so in the text.
  const limited = status === 429 || (status === 403 && /rate limit|TOOMANYREQUESTS/i.test(body));
  const common = { exchange: exchangeOf(answer), sentAt, retryAfter };
  if (limited)
    return new TransientFailure("unavailable", describeAnswer(answer), {
      ...common,
      code: "registry.rate-limited",
      throttled: true,
      hint: "The registry limits how often it may be asked: wait, or use fewer --jobs.",
    });
  if (status === 408 || (status >= 500 && status !== 501 && status !== 505 && status !== 507))
    return new TransientFailure("unavailable", describeAnswer(answer), {
      ...common,
      code: "registry.unavailable",
      hint: "The registry has trouble of its own: try again later; where it stays, its operators can look it up.",
      throttled: status === 503 && retryAfter !== undefined,
    });
  // Where storage refuses what the registry sent us there with, its signed address has expired.
  if (redirected && (status === 401 || status === 403))
    return new TransientFailure("unavailable", describeAnswer(answer), {
      ...common,
      code: "registry.storage-refused",
      hint: "The registry sends downloads to a storage that refuses them: check this machine's clock, then tell its operators.",
      most: 3,
    });
  return undefined;
}

/** An answer that ended before what it promised. */
export const cutShort = (answer: Answer): TransientFailure =>
  new TransientFailure("unavailable", `${describeAnswer(answer)}, but the answer was cut short`, {
    code: "registry.unreachable",
    hint: "Try again; where it stays, a proxy on the way may limit how large answers are.",
    exchange: exchangeOf(answer),
  });

/** What may pass by itself, by the codes of Node and undici. */
const transient: ReadonlyMap<string, string> = new Map([
  ["ECONNRESET", "the connection was reset"],
  ["EPIPE", "the connection was closed"],
  ["ECONNABORTED", "the connection was aborted"],
  ["ECONNREFUSED", "nothing listens there"],
  ["ETIMEDOUT", "it did not answer in time"],
  ["EHOSTUNREACH", "the host is unreachable"],
  ["ENETUNREACH", "the network is unreachable"],
  ["ENETDOWN", "the network is down"],
  ["EAI_AGAIN", "its name cannot be looked up now"],
  ["UND_ERR_SOCKET", "the connection was closed"],
  ["UND_ERR_CONNECT_TIMEOUT", "it did not answer in time"],
  ["UND_ERR_HEADERS_TIMEOUT", "it did not answer in time"],
  ["UND_ERR_BODY_TIMEOUT", "it stopped sending"],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "the answer was cut short"],
  ["UND_ERR_INFO", "the connection was closed"],
]);

/** An error of the network as a failure that names it; others come back as they are. */
export function networkFailure(error: unknown, { method, url }: { method: string; url: URL }): unknown {
  if (error instanceof Failure || !(error instanceof Error)) return error;
  const shown = redactUrl(url.href);
  const exchange: Exchange = { method, url: shown, status: undefined, requestId: undefined, errors: [] };
  const code = codeOf(error);
  const why = error instanceof Stalled ? `it ${error.message}` : transient.get(code);
  if (why !== undefined || code.startsWith("HPE_"))
    return new TransientFailure(
      "unavailable",
      `${method} ${shown} failed: ${why ?? "what answers is not HTTP"}`,
      {
        code: "registry.unreachable",
        hint: `Check that ${url.origin} is right and can be reached from here (proxies: $https_proxy, $no_proxy), and try again.`,
        exchange,
        cause: error,
        // Who mistypes a port should not wait for long; a registry that restarts is back soon.
        most: code === "ECONNREFUSED" ? 4 : undefined,
      },
    );
  if (code === "ENOTFOUND")
    return new RegistryFailure("unavailable", `there is no host ${url.hostname}`, {
      code: "registry.host-unknown",
      hint: "Check its name, and whether this machine can look names up.",
      exchange,
      cause: error,
    });
  if (code === "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH")
    return new RegistryFailure(
      "corrupt",
      `what was to be sent by ${method} ${shown} is not as long as promised`,
      {
        code: "oci.blob-corrupt",
        exchange,
        cause: error,
      },
    );
  if (/SSL|TLS|CERT|SIGNED|UNABLE_TO|EPROTO/.test(code))
    return new RegistryFailure(
      "denied",
      `${url.host} cannot be trusted: ${error.message.split("\n", 1)[0]} (${code})`,
      {
        code: "registry.tls",
        exchange,
        cause: error,
        hint: /WRONG_VERSION|EPROTO|PACKET_LENGTH/.test(code)
          ? "It seems to speak http: use oci+http://, if it is yours."
          : "Give its authority with --ca FILE, or use --insecure for a test.",
      },
    );
  // What else the client or a proxy gives up for: a tunnel refused, headers without end.
  if (code.startsWith("UND_ERR_"))
    return new RegistryFailure("unavailable", `${method} ${shown} failed: ${error.message}`, {
      code: "registry.unreachable",
      exchange,
      cause: error,
    });
  return error;
}

function codeOf(error: Error): string {
  if ("code" in error && typeof error.code === "string") return error.code;
  // Several addresses tried, all in vain: the last says as much as any.
  if (error instanceof AggregateError && error.errors.at(-1) instanceof Error)
    return codeOf(error.errors.at(-1));
  return "";
}
