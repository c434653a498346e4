import { Failure } from "../base/failure.js";

/** A repository's path within its registry: `library/ubuntu` (distribution-spec 1.1, "Pulling manifests"). */
export type RepositoryName = string & { readonly __repositoryName: unique symbol };
export type Tag = string & { readonly __tag: unique symbol };

const nameComponent = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= 255 && text.split("/").every((part) => nameComponent.test(part));
}

/** @throws Failure `oci.name-invalid` */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text;
  throw new Failure("usage", `"${text}" is not a repository name`, {
    code: "oci.name-invalid",
    subject: text,
    hint: "Names are lower case, with digits, and . _ - between them; parts are divided by /.",
  });
}

export const isTag = (text: string): text is Tag => tagPattern.test(text);

/** @throws Failure `oci.tag-invalid` */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text;
  throw new Failure("usage", `"${text}" is not a tag`, {
    code: "oci.tag-invalid",
    subject: text,
    hint: "A tag has up to 128 letters, digits, _ . - and does not start with . or -.",
  });
}
