import { BlockList, isIP } from "node:net";
import { Failure } from "../../base/failure.js";
import { isLoopback } from "./origin.js";

/** The variables that curl, Go and Spack read, in lower case or upper. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL, as the environment says; undefined where it is reached directly. This machine always is.
 * @throws Failure `registry.proxy-invalid`
 */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  if (isLoopback(url)) return undefined;
  const read = (name: string): string | undefined =>
    environment[name] || environment[name.toUpperCase()] || undefined;
  // HTTP_PROXY in upper case may come from a request header in CGI (httpoxy); nobody runs this as CGI.
  const proxy = read(url.protocol === "https:" ? "https_proxy" : "http_proxy") ?? read("all_proxy");
  if (proxy === undefined || isExcepted(url, read("no_proxy") ?? "")) return undefined;
  const text = proxy.includes("://") ? proxy : `http://${proxy}`;
  if (!URL.canParse(text))
    throw new Failure("usage", `the proxy for ${url.protocol}// is not a URL`, {
      code: "registry.proxy-invalid",
      hint: "Set http_proxy and https_proxy to http://host:port.",
    });
  return new URL(text);
}

/** `no_proxy`: `*`, hosts (with all below them), addresses, networks (`10.0.0.0/8`), each with a port or without. */
function isExcepted(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => {
      if (entry === "*") return true;
      const [, network = "", bits] = /^([0-9a-f.:]+)\/(\d+)$/.exec(entry) ?? [];
      if (bits !== undefined) return isInNetwork(host, network, Number(bits));
      const [, name = entry, only] = isIP(entry) === 6 ? [] : (/^(.*?)(?::(\d+))?$/.exec(entry) ?? []);
      if (only !== undefined && only !== port) return false;
      const domain = name.replace(/^\*?\./, "").replace(/^\[|\]$/g, "");
      return host === domain || host.endsWith(`.${domain}`);
    });
}

function isInNetwork(host: string, network: string, bits: number): boolean {
  const version = isIP(network);
  if (version === 0 || isIP(host) !== version || bits > (version === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const family = version === 4 ? "ipv4" : "ipv6";
  list.addSubnet(network, bits, family);
  return list.check(host, family);
}
