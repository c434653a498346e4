import type { Bytes } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import type { Descriptor } from "../oci/descriptor.js";
import { blobMissing } from "../oci/memory.js";
import type { BlobStore } from "../oci/repository.js";
import { verified } from "../oci/verified.js";
import type { ObjectStore } from "./object-store.js";
import { blobPath } from "./url-layout-v3.js";

/** The blobs of a mirror: files that are named by what is in them. */
export function urlBlobs(store: ObjectStore): BlobStore {
  async function* bytesOf(descriptor: Descriptor, call: Call | undefined): Bytes {
    const found = await store.read(blobPath(descriptor.digest), call);
    if (found === undefined) throw blobMissing(store.label, descriptor.digest);
    yield* found;
  }
  return {
    stat: (digest, call) => store.stat(blobPath(digest), call),
    read: (descriptor, call) =>
      verified(bytesOf(descriptor, call), descriptor, `${store.label}/${blobPath(descriptor.digest)}`),
    async write({ descriptor, open }, call) {
      const path = blobPath(descriptor.digest);
      // One of another size is what somebody left half-written: it is replaced.
      if ((await store.stat(path, call)) === descriptor.size) return "present";
      const content = {
        size: descriptor.size,
        open: (inner?: Call) => verified(open(inner), descriptor, descriptor.digest),
      };
      await store.write(path, content, call);
      return "written";
    },
    delete: (digest, call) => store.delete(blobPath(digest), call),
  };
}
