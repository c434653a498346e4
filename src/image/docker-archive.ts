import { blockSize, encodeTarHeader, paddingOf } from "../archive/tar-header.js";
import { utf8 } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { contentOf } from "../oci/content.js";
import type { Content } from "../oci/descriptor.js";
import { hexOf } from "../oci/digest.js";
import { mediaTypes } from "../oci/media-types.js";
import type { BuiltImage } from "./build-image.js";

/**
 * An image in the format of `docker save`, for `docker load`: layers under their digests, as compressed as they are,
 * the config under its, and `manifest.json`, which names them in order.
 *
 * @throws Failure `image.docker-zstd`
 * @param name what the image is called when it is loaded: `localhost:5000/cache:greet`
 */
export async function* dockerArchive(
  image: BuiltImage,
  { name, ...call }: Call & { readonly name: string },
): AsyncGenerator<Uint8Array> {
  const fileOf = ({ descriptor }: Content, suffix: string): string => `${hexOf(descriptor.digest)}${suffix}`;
  const layers = image.layers.map(({ content }) => content);
  if (layers.some(({ descriptor }) => descriptor.mediaType === mediaTypes.ociLayerZstd))
    throw new Failure("unsupported", `${name} has layers in zstd, which docker-archive does not have`, {
      code: "image.docker-zstd",
      subject: name,
      hint: "Write it to oci:DIR instead.",
    });
  const manifest = [
    {
      Config: fileOf(image.config, ".json"),
      RepoTags: [name],
      Layers: layers.map((layer) => fileOf(layer, ".tar.gz")),
    },
  ];
  const files = new Map(layers.map((layer) => [fileOf(layer, ".tar.gz"), layer]));
  files.set(fileOf(image.config, ".json"), image.config);
  files.set("manifest.json", contentOf(utf8(JSON.stringify(manifest))));
  for (const [file, content] of files) {
    const { size } = content.descriptor;
    yield encodeTarHeader({ type: "file", name: file, mode: 0o644, size });
    yield* content.open(call);
    yield new Uint8Array(paddingOf(size));
  }
  yield new Uint8Array(2 * blockSize);
}
