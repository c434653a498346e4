import type { Call } from "../../base/call.js";
import { algorithmOf, type Digest, digestOf, isDigest } from "../../oci/digest.js";
import { mediaTypeOf, referrerOf } from "../../oci/manifest.js";
import { mediaTypes } from "../../oci/media-types.js";
import type { Tag } from "../../oci/reference.js";
import type { Manifest, ManifestStore } from "../../oci/repository.js";
import { assertDigest } from "../../oci/verified.js";
import { type Answer, answerFailure, errorsOf, isWebPage, unexpected } from "../http-client/answer.js";
import { remove } from "./blobs.js";
import { type Endpoint, isCommitted, saysAbsent } from "./endpoint.js";
import { addReferrer, removeReferrer } from "./referrers.js";

const accepted = [
  mediaTypes.ociManifest,
  mediaTypes.ociIndex,
  mediaTypes.dockerManifest,
  mediaTypes.dockerManifestList,
].join(", ");

export function remoteManifests(endpoint: Endpoint): ManifestStore {
  const { client } = endpoint;
  const ask = (method: "GET" | "HEAD", reference: Tag | Digest, call: Call | undefined): Promise<Answer> =>
    client.send(
      {
        method,
        url: endpoint.url(`manifests/${reference}`),
        access: endpoint.access(["pull"]),
        headers: { accept: accepted },
      },
      call,
    );
  const isAbsent = (answer: Answer): boolean =>
    saysAbsent(answer, endpoint, ["MANIFEST_UNKNOWN", "NAME_UNKNOWN"]);

  const store: ManifestStore = {
    async stat(reference, call) {
      const answer = await ask("HEAD", reference, call);
      if (isAbsent(answer)) return undefined;
      const size = answer.header("content-length");
      const mediaType = mediaTypeIn(answer);
      const digest = answer.header("docker-content-digest") ?? (isDigest(reference) ? reference : undefined);
      // Registries that leave out what a HEAD should say are asked for all of it.
      if (
        answer.status === 200 &&
        size !== undefined &&
        mediaType !== undefined &&
        digest !== undefined &&
        isDigest(digest) &&
        (!isDigest(reference) || digest === reference)
      )
        return { mediaType, digest, size: Number(size) };
      return (await store.read(reference, call))?.descriptor;
    },

    async read(reference, call) {
      const answer = await ask("GET", reference, call);
      if (isAbsent(answer)) return undefined;
      if (answer.status !== 200 || isWebPage(answer)) throw unexpected(answer);
      return manifestIn(answer, { reference, label: endpoint.label });
    },

    async write(manifest, call) {
      const { digest, mediaType } = manifest.descriptor;
      const answer = await client.send(
        {
          method: "PUT",
          url: endpoint.url(`manifests/${call?.tag ?? digest}`),
          access: endpoint.access(["pull", "push"]),
          headers: { "content-type": mediaType },
          body: manifest.bytes,
        },
        call,
      );
      if (!isCommitted(answer, digest)) throw refusal(answer);
      const referrer = referrerOf(manifest);
      // A registry that knows the referrers API says so here; for others the client keeps the list.
      if (referrer !== undefined && answer.header("oci-subject") === undefined)
        await addReferrer({ store, ...referrer }, call);
    },

    async delete(reference, call) {
      const manifest = isDigest(reference) ? await store.read(reference, call) : undefined;
      await remove(endpoint, `manifests/${reference}`, call);
      const referrer = manifest === undefined ? undefined : referrerOf(manifest);
      if (referrer !== undefined) await removeReferrer({ store, ...referrer }, call);
    },
  };
  return store;
}

/** A manifest's own media type, where the header has one: some serve all as plain JSON or text. */
function mediaTypeIn(answer: Answer): string | undefined {
  const type = answer.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  return type !== undefined && /^application\/vnd\./.test(type) ? type : undefined;
}

function manifestIn(
  answer: Answer,
  { reference, label }: { reference: Tag | Digest; label: string },
): Manifest {
  const { bytes } = answer;
  const subject = `${label}${isDigest(reference) ? "@" : ":"}${reference}`;
  const named = answer.header("docker-content-digest");
  const promised = isDigest(reference)
    ? reference
    : named !== undefined && isDigest(named)
      ? named
      : undefined;
  const digest = digestOf(bytes, promised === undefined ? "sha256" : algorithmOf(promised));
  if (promised !== undefined) assertDigest(digest, promised, subject);
  const mediaType = mediaTypeIn(answer) ?? mediaTypeOf(bytes, subject);
  if (mediaType === undefined) throw unexpected(answer, "with something that is no manifest");
  return { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes };
}

function refusal(answer: Answer): Error {
  const codes = (errorsOf(answer) ?? []).map(({ code }) => code);
  if (codes.some((code) => code === "MANIFEST_BLOB_UNKNOWN" || code === "BLOB_UNKNOWN"))
    return answerFailure("conflict", answer, {
      code: "oci.manifest-blob-missing",
      hint: "What the manifest names is not there, or was deleted meanwhile: push again.",
    });
  if (answer.status === 400 || answer.status === 415 || answer.status === 422)
    return answerFailure("unsupported", answer, { code: "oci.manifest-refused" });
  return unexpected(answer);
}
