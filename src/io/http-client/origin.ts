import { BlockList, isIP } from "node:net";
import { redactUrl } from "../../base/redact.js";
import { RegistryFailure } from "../../oci/errors.js";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Where clouds keep the credentials of a machine: 169.254.169.254 and its kind. */
const linkLocal = new BlockList();
linkLocal.addSubnet("169.254.0.0", 16, "ipv4");
linkLocal.addSubnet("fe80::", 10, "ipv6");
linkLocal.addAddress("fd00:ec2::254", "ipv6");

function isIn(list: BlockList, { hostname }: URL): boolean {
  const address = hostname.replace(/^\[|\]$/g, "");
  const version = isIP(address);
  return version !== 0 && list.check(address, version === 4 ? "ipv4" : "ipv6");
}

export const isLoopback = (url: URL): boolean =>
  /^(.+\.)?localhost$/.test(url.hostname) || isIn(loopback, url);

/**
 * The target of a Location or Link header. A registry behind a proxy that ends TLS names itself by http: the
 * same host is asked by https, as before.
 */
export function resolveLocation(location: string, from: URL): URL | undefined {
  if (!URL.canParse(location, from.href)) return undefined;
  const to = new URL(location, from);
  // A setter, as the default port then follows the protocol.
  if (to.protocol === "http:" && from.protocol === "https:" && to.host === from.host) to.protocol = "https:";
  return to;
}

/**
 * What another origin may be named for by a registry: its storage, its token service. Not what only this
 * machine or its cloud can reach, and nothing less safe than the registry itself.
 * @throws RegistryFailure `registry.redirect-refused`
 */
export function assertReachable(to: URL, { from, method }: { from: URL; method: string }): void {
  const why =
    to.protocol !== "https:" && to.protocol !== "http:"
      ? `${to.protocol} is not http`
      : to.protocol === "http:" && from.protocol === "https:"
        ? "it leaves https"
        : isIn(linkLocal, to)
          ? "it is a link-local address"
          : isLoopback(to) && !isLoopback(from)
            ? "it is this machine"
            : undefined;
  if (why === undefined) return;
  throw new RegistryFailure("denied", `${from.host} sends us to ${redactUrl(to.href)}: ${why}`, {
    code: "registry.redirect-refused",
    exchange: { method, url: redactUrl(from.href), status: undefined, requestId: undefined, errors: [] },
  });
}
