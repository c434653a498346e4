import { isClearsigned, parseClearsigned } from "../trust/clearsigned.js";

/**
 * Makes of a document of a mirror, clearsigned or not, what it says; where signatures count, after its signature was
 * found to be good. Index and keys are never signed, so they do not come here.
 */
export type OpenDocument = (document: Uint8Array, about: { readonly subject: string }) => Promise<Uint8Array>;

/** Clearsigns a document that is about to be written. */
export type SignDocument = (document: Uint8Array) => Promise<Uint8Array>;

/** What a document says, whoever signed it: where somebody decided that signatures do not count. */
export const withoutSignature: OpenDocument = async (document, { subject }) =>
  isClearsigned(document) ? parseClearsigned(document, subject).text : document;
