import type { Call } from "../../base/call.js";
import type { Digest } from "../../oci/digest.js";
import type { BlobStore } from "../../oci/repository.js";
import { corrupt } from "../../oci/verified.js";
import { type Answer, answerFailure, errorsOf, unexpected } from "../http-client/answer.js";
import { download } from "./download.js";
import { type Action, type Endpoint, saysAbsent } from "./endpoint.js";
import { upload } from "./upload.js";

export function remoteBlobs(endpoint: Endpoint): BlobStore {
  const { client } = endpoint;

  async function sizeOf(
    digest: Digest,
    actions: readonly Action[],
    call: Call | undefined,
  ): Promise<number | undefined> {
    const answer = await client.send(
      { method: "HEAD", url: endpoint.url(`blobs/${digest}`), access: endpoint.access(actions) },
      call,
    );
    if (saysAbsent(answer, endpoint, ["BLOB_UNKNOWN", "NAME_UNKNOWN"])) return undefined;
    const length = answer.header("content-length");
    if (answer.status !== 200 || length === undefined) throw unexpected(answer, "without a size");
    const named = answer.header("docker-content-digest");
    if (named !== undefined && named !== digest)
      throw answerFailure("corrupt", answer, {
        code: "oci.digest-differs",
        why: `for ${named} instead of ${digest}`,
      });
    return Number(length);
  }

  return {
    stat: (digest, call) => sizeOf(digest, ["pull"], call),
    read: (descriptor, call) => download(endpoint, descriptor, call),
    async write(content, call) {
      const { digest, size } = content.descriptor;
      const isStored = async (): Promise<boolean> => {
        const found = await sizeOf(digest, ["pull", "push"], call);
        if (found !== undefined && found !== size)
          throw corrupt(`${endpoint.label}@${digest}`, `has ${found} bytes there, ${size} here`);
        return found !== undefined;
      };
      if (await isStored()) return "present";
      return upload(endpoint, content, { ...call, isStored });
    },
    delete: (digest, call) => remove(endpoint, `blobs/${digest}`, call),
  };
}

/** Deletes what is at a path; what is not there is deleted already. */
export async function remove(endpoint: Endpoint, path: string, call: Call | undefined): Promise<void> {
  const answer: Answer = await endpoint.client.send(
    { method: "DELETE", url: endpoint.url(path), access: endpoint.access(["delete", "pull"]) },
    call,
  );
  if (answer.status === 202 || answer.status === 200 || answer.status === 204) return;
  if (saysAbsent(answer, endpoint, ["BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "NAME_UNKNOWN"])) return;
  // A registry that only deletes by digest finds that a tag is none.
  if (
    answer.status === 405 ||
    errorsOf(answer)?.some(({ code }) => code === "UNSUPPORTED" || code === "DIGEST_INVALID")
  )
    throw answerFailure("unsupported", answer, {
      code: "oci.delete-unsupported",
      hint: "The registry does not delete this way: delete by digest, or by its own interface.",
    });
  throw unexpected(answer);
}
