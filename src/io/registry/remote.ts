import { Failure } from "../../base/failure.js";
import { isTag, type RegistryUrl } from "../../oci/reference.js";
import type { Registry, Repository } from "../../oci/repository.js";
import { type Answer, jsonOf, unexpected } from "../http-client/answer.js";
import type { HttpClient } from "../http-client/http-client.js";
import { remoteBlobs } from "./blobs.js";
import { type Endpoint, endpointOf, pagesOf, saysAbsent } from "./endpoint.js";
import { remoteManifests } from "./manifests.js";
import { listReferrers } from "./referrers.js";

/** A registry over HTTP. */
export function openRemoteRegistry(
  where: Pick<RegistryUrl, "scheme" | "domain">,
  client: HttpClient,
): Registry {
  return { repository: (name) => openRemoteRepository({ ...where, name }, client) };
}

/** A repository of a registry over HTTP (distribution-spec 1.1). Nothing is asked before it is used. */
export function openRemoteRepository(
  where: Pick<RegistryUrl, "scheme" | "domain" | "name">,
  client: HttpClient,
): Repository {
  const endpoint = endpointOf(where, client);
  const manifests = remoteManifests(endpoint);
  return {
    label: endpoint.label,
    registry: endpoint.origin,
    name: endpoint.name,
    blobs: remoteBlobs(endpoint),
    manifests,
    async *tags(call) {
      const access = endpoint.access(["pull"]);
      // As many as it likes to give, up to this: registries cut larger wishes to their own size.
      const first = endpoint.url("tags/list", { n: "1000" });
      const ask = (url: URL): Promise<Answer> => client.send({ method: "GET", url, access }, call);
      for await (const answer of pagesOf(first, ask)) {
        if (saysAbsent(answer, endpoint, ["NAME_UNKNOWN"])) return;
        for (const tag of tagsIn(answer, endpoint)) {
          if (!isTag(tag))
            throw new Failure("corrupt", `${endpoint.label} lists "${tag}", which is no tag`, {
              code: "oci.tag-invalid",
              subject: endpoint.label,
            });
          yield tag;
        }
      }
    },
    referrers: (subject, call) =>
      listReferrers(endpoint, { subject, store: manifests, artifactType: call?.artifactType }, call),
  };
}

/** A repository without tags has `null` in some registries. */
function tagsIn(answer: Answer, { label }: Endpoint): readonly string[] {
  if (answer.status !== 200) throw unexpected(answer);
  const json = jsonOf(answer);
  const tags = typeof json === "object" && json !== null && "tags" in json ? json.tags : undefined;
  if (tags === null) return [];
  if (!Array.isArray(tags) || !tags.every((tag): tag is string => typeof tag === "string"))
    throw unexpected(answer, `without the tags of ${label}`);
  return tags;
}
