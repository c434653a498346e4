import type { Call } from "../base/call.js";
import type { Content } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import type { LayerScan } from "./layer-scan.js";

/** A layer with its bytes. */
export interface LayerContent extends Content {
  readonly diffId: Digest;
  /** Its file on this machine, where it has one: it need not be fetched. */
  readonly file?: string | undefined;
}

/** A layer made of others, at hand until it is disposed. */
export interface MergedLayer extends AsyncDisposable {
  readonly content: LayerContent;
}

/** What is done to the bytes of layers: by threads, with files. */
export interface LayerTools {
  /** What a layer has; one that was looked into before is not read again. */
  scan(layer: LayerContent, call?: Call): Promise<LayerScan>;
  /** One layer with all that several have, in their order. */
  merge(layers: readonly LayerContent[], call?: Call): Promise<MergedLayer>;
}
