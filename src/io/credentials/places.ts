import { join } from "node:path";
import type { RepositoryName } from "../../oci/reference.js";

export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** Where docker keeps its logins: what `login` writes, unless `REGISTRY_AUTH_FILE` names another. */
export const dockerFile = ({ environment, home }: Surroundings): string =>
  join(environment["DOCKER_CONFIG"] || join(home, ".docker"), "config.json");

/** Files with logins, those that are asked first first: named ones, podman's, docker's (containers-auth.json(5)). */
export function loginFiles(surroundings: Surroundings): readonly string[] {
  const { environment, home } = surroundings;
  const named = environment["REGISTRY_AUTH_FILE"];
  if (named !== undefined && named !== "") return [named, dockerFile(surroundings)];
  const runtime = environment["XDG_RUNTIME_DIR"];
  return [
    ...(runtime ? [join(runtime, "containers/auth.json")] : []),
    join(environment["XDG_CONFIG_HOME"] || join(home, ".config"), "containers/auth.json"),
    dockerFile(surroundings),
  ];
}

/** The key of Docker Hub in docker's files and for its helpers, since 2013. */
const dockerHubKey = "https://index.docker.io/v1/";

/** What helpers call a registry, and what `login` files it under. */
export const serverOf = (domain: string): string => (domain === "docker.io" ? dockerHubKey : domain);

/**
 * Keys that a login for a repository may be under, the most specific first: podman allows a login for a part
 * of a registry, docker used to write URLs.
 */
export function keysOf({
  domain,
  name,
}: {
  domain: string;
  name?: RepositoryName | undefined;
}): readonly string[] {
  const parts = name === undefined ? [] : name.split("/");
  const paths = parts.map((_, i) => `${domain}/${parts.slice(0, parts.length - i).join("/")}`);
  const hosts = domain === "docker.io" ? ["docker.io", "index.docker.io", "registry-1.docker.io"] : [domain];
  const forms = ["", "/", "/v1/", "/v2/"].flatMap((path) => [`https://HOST${path}`, `http://HOST${path}`]);
  return [...paths, ...hosts, ...hosts.flatMap((host) => forms.map((form) => form.replace("HOST", host)))];
}
