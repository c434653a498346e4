import type { Call } from "../base/call.js";
import { signBundle } from "./bundle.js";
import type { Written } from "./claim.js";
import { type PrivateKey, type PublicKey, shortFingerprint } from "./key.js";

/** Somebody who signs: the owner of a key, or who a job's token says it is. */
export interface Signer {
  /** How results name it: never a secret. */
  readonly name: string;
  /** undefined for one whose certificate tells who it is. */
  readonly publicKey: PublicKey | undefined;
  /** Signs bytes as they are; with what else a reader needs, as annotations of cosign 2. */
  sign(payload: Uint8Array, call?: Call): Promise<DetachedSignature>;
  /** Signs a statement in an envelope: the JSON of a sigstore bundle. */
  bundle(written: Written, call?: Call): Promise<Uint8Array>;
}

export interface DetachedSignature {
  readonly signature: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
}

export function keySigner(key: PrivateKey): Signer {
  return {
    name: shortFingerprint(key.publicKey.fingerprint),
    publicKey: key.publicKey,
    sign: async (payload) => ({ signature: key.sign(payload), annotations: {} }),
    bundle: async (written) => signBundle(written, key),
  };
}
