import type { Call } from "../base/call.js";

/** Whose signature was found good. */
export interface OpenPgpSigner {
  /** Of the primary key, in capital hexadecimal digits, also where a subkey signed. */
  readonly fingerprint: string;
  /** `Name (comment) <address>`; undefined for a key without one. */
  readonly userId: string | undefined;
  readonly signedAt: Date;
}

/** A document whose signatures are all good, by keys that are trusted and valid now. */
export interface OpenedDocument {
  /** The bytes that were signed, and nothing else of the document. */
  readonly text: Uint8Array;
  readonly signers: readonly OpenPgpSigner[];
}

/** Opens clearsigned documents: `.spec.json.sig` of layout v2, signed `.spec.manifest.json` of layout v3. */
export interface DocumentVerifier {
  /**
   * @throws Failure `gpg.signature-missing`, `gpg.document-malformed`, `gpg.signature-wrong`, `gpg.signature-expired`,
   * `gpg.signature-weak`, `gpg.key-unknown`, `gpg.key-expired`, `gpg.key-revoked`, `gpg.key-untrusted`
   */
  open(document: Uint8Array, options: Call & { readonly subject: string }): Promise<OpenedDocument>;
}

/** Signs with one secret key. */
export interface DocumentSigner {
  readonly fingerprint: string;
  /**
   * A clearsigned document of a text.
   * @throws Failure `gpg.text-unsignable` where opening it again would not give the same bytes
   */
  sign(text: Uint8Array, options: Call & { readonly subject: string }): Promise<Uint8Array>;
}
