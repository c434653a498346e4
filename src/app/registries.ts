import { resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { type Direction, isRegistryUrl, loginOf, type Mirror } from "../config/mirror.js";
import type { GivenCredential } from "../io/credentials/credentials.js";
import { openLayout } from "../io/registry/layout.js";
import { openRemoteRepository } from "../io/registry/remote.js";
import { type ImageReference, parseImageReference, parseRegistryUrl, parseTag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { openConnection } from "./connection.js";
import type { Context } from "./context.js";

/** An image, and where it is. */
export interface LocatedImage {
  readonly repository: Repository;
  readonly reference: ImageReference;
}

/** The registries that one operation talks to, over shared connections. */
export interface Registries extends AsyncDisposable {
  /**
   * The repository that a mirror's packages are in.
   * @throws Failure `mirror.kind-unsupported`, `mirror.one-way`
   */
  mirror(mirror: Mirror, direction: Direction): Promise<Repository>;
  /**
   * An image by what people write: `debian:12`, `oci://…`, `oci+http://…`, or `oci:DIR[:TAG]` for a layout on disk.
   * @throws Failure `oci.reference-invalid`
   */
  image(text: string): Promise<LocatedImage>;
}

export function openRegistries(context: Context): Registries {
  // A mirror's own login is for its repository; all else is what docker and podman know.
  const logins: GivenCredential[] = [];
  const client = openConnection(context, logins);

  return {
    async mirror(mirror, direction) {
      const url = mirror[direction]?.url;
      if (url === undefined)
        throw new Failure(
          "usage",
          `mirror ${mirror.name} has no URL to ${direction === "push" ? "push to" : "fetch from"}`,
          {
            code: "mirror.one-way",
            subject: mirror.name,
            hint: `Give it one with \`stowage mirror set-url --${direction} ${mirror.name} URL\`.`,
          },
        );
      if (isRegistryUrl(url)) {
        const where = parseRegistryUrl(url);
        const login = loginOf(mirror, direction, context.env);
        if (login !== undefined)
          logins.push({
            ...where,
            credential: {
              type: "password",
              username: login.user,
              password: login.password,
              source: `mirror ${mirror.name}`,
            },
          });
        return openRemoteRepository(where, client);
      }
      const layout = /^oci-layout:(?:\/\/)?(.+)$/.exec(url)?.[1];
      if (layout !== undefined)
        return openLayout(resolve(context.cwd, layout), { create: direction === "push" });
      throw new Failure("unsupported", `mirror ${mirror.name} is at ${url}, which is not a registry`, {
        code: "mirror.kind-unsupported",
        subject: url,
        hint: "Registries are oci://… and oci+http://…, OCI layouts on disk oci-layout:DIR.",
      });
    },
    async image(text) {
      const layout = /^oci:(?!\/\/)(.+?)(?::([^/:]+))?$/.exec(text);
      if (layout?.[1] !== undefined) {
        const repository = await openLayout(resolve(context.cwd, layout[1]));
        const tag = parseTag(layout[2] ?? "latest");
        return { repository, reference: { domain: "", name: repository.name, tag, digest: undefined } };
      }
      const where = /^oci(\+http)?:\/\//.test(text)
        ? parseRegistryUrl(text)
        : { scheme: "https" as const, ...parseImageReference(text.replace(/^docker:\/\//, "")) };
      return { repository: openRemoteRepository(where, client), reference: where };
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}
