import * as v from "valibot";
import { Failure } from "../base/failure.js";
import { assertShape, parseJson } from "../oci/json.js";

// containers-policy.json(5), as podman, skopeo and CRI-O read it: as far as it says something about cosign's keys.

const requirement = v.looseObject({
  type: v.string(),
  keyPath: v.exactOptional(v.string()),
  keyPaths: v.exactOptional(v.array(v.string())),
  keyData: v.exactOptional(v.string()),
  keyDatas: v.exactOptional(v.array(v.string())),
  signedIdentity: v.exactOptional(
    v.looseObject({ type: v.string(), dockerRepository: v.exactOptional(v.string()) }),
  ),
});
const schema = v.looseObject({
  default: v.array(requirement),
  transports: v.exactOptional(v.record(v.string(), v.record(v.string(), v.array(requirement)))),
});

/** What a policy asks of an image: nothing, too much, or that each of these lists of keys has one that signed. */
export type ContainersDecision =
  | { readonly type: "accept" | "reject" }
  | { readonly type: "signed"; readonly by: readonly SignedBy[] };

export interface SignedBy {
  readonly keyPaths: readonly string[];
  /** PEM texts. */
  readonly keys: readonly string[];
  readonly signedAs: readonly string[];
}

/**
 * What a `policy.json` says about `domain/name`: of the most special scope that fits, as image(5) defines them.
 * @throws Failure `oci.document-invalid`, `trust.policy-unsupported`
 */
export function decideByContainersPolicy(
  bytes: Uint8Array,
  { image, subject }: { readonly image: string; readonly subject: string },
): ContainersDecision {
  const json = parseJson(bytes, subject);
  assertShape(schema, json, subject);
  const docker = json.transports?.["docker"] ?? {};
  const narrow = Object.keys(docker).find(
    (one) => one.startsWith(`${image}:`) || one.startsWith(`${image}@`),
  );
  if (narrow !== undefined)
    throw new Failure(
      "unsupported",
      `${subject} has rules of their own for ${narrow}, which are not read here`,
      {
        code: "trust.policy-unsupported",
        subject,
        hint: "Say in trust.yaml, below trust:images, whom to trust for it.",
      },
    );
  const scope = scopesOf(image).find((one) => Object.hasOwn(docker, one));
  const requirements = (scope === undefined ? undefined : docker[scope]) ?? json.default;
  if (requirements.length === 0) return { type: "reject" };
  if (requirements.some(({ type }) => type === "reject")) return { type: "reject" };
  const asking = requirements.filter(({ type }) => type !== "insecureAcceptAnything");
  if (asking.length === 0) return { type: "accept" };
  return {
    type: "signed",
    by: asking.map((one): SignedBy => {
      const unsupported = ["fulcio", "pki", "rekorPublicKeyPath", "rekorPublicKeyData"].find(
        (key) => key in one,
      );
      const identity = one.signedIdentity;
      if (
        one.type !== "sigstoreSigned" ||
        unsupported !== undefined ||
        (identity !== undefined && !readable.includes(identity.type))
      )
        throw new Failure(
          "unsupported",
          `${subject} asks for ${one.type}${unsupported === undefined ? "" : ` with ${unsupported}`} of ${scope ?? "its default"}, which is not read here`,
          {
            code: "trust.policy-unsupported",
            subject,
            hint: "Say in trust.yaml, below trust:images, whom to trust for it.",
          },
        );
      const repository = identity?.type === "exactRepository" ? identity.dockerRepository : undefined;
      return {
        keyPaths: [...(one.keyPath === undefined ? [] : [one.keyPath]), ...(one.keyPaths ?? [])],
        keys: [...(one.keyData === undefined ? [] : [one.keyData]), ...(one.keyDatas ?? [])].map((data) =>
          Buffer.from(data, "base64").toString("utf8"),
        ),
        signedAs: repository === undefined ? [] : [repository],
      };
    }),
  };
}

const readable = ["matchExact", "matchRepoDigestOrExact", "matchRepository", "exactRepository"];

/** From the repository itself over its parents to the host, then `*.` forms of the host, then all. */
function scopesOf(image: string): readonly string[] {
  const parts = image.split("/");
  const paths = parts.map((_, i) => parts.slice(0, parts.length - i).join("/"));
  const labels = (parts[0]?.replace(/:\d+$/, "") ?? "").split(".");
  const wild = labels.slice(1).map((_, i) => `*.${labels.slice(i + 1).join(".")}`);
  return [...paths, ...wild, ""];
}
