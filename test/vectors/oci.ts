import { Failure } from "../../src/base/failure.js";
import { parseChallenges } from "../../src/io/http-client/challenge.js";
import {
  formatImageReference,
  type ImageReference,
  parseImageReference,
  parseRegistryUrl,
  parseTag,
  tagOf,
} from "../../src/oci/reference.js";
import { type Answer, type DepartureRule, textField, type VectorKind } from "./kind.js";

const latest = parseTag("latest");

/** Fields of a reference as Spack has them: its tag is `latest` where none is given. */
function fieldsOf(reference: ImageReference): Answer {
  const tagged = { ...reference, tag: reference.tag ?? latest };
  return { ...tagged, digest: reference.digest ?? null, str: formatImageReference(tagged) };
}

const refused = { err: "ValueError" };

function answerOf(op: string, text: string): Answer {
  try {
    if (op === "reference") return fieldsOf(parseImageReference(text));
    if (op === "url") return fieldsOf(parseRegistryUrl(text));
    if (op === "tag") return { tag: tagOf(text) };
    const challenges = parseChallenges(text);
    return challenges === undefined
      ? refused
      : { challenges: challenges.map(({ scheme, parameters }) => ({ scheme, params: [...parameters] })) };
  } catch (error) {
    if (error instanceof Failure) return refused;
    throw error;
  }
}

/** Docker Hub by the name that docker, podman and containerd have for it; only a bare name is in `library/` there. */
const dockerHub: DepartureRule = {
  reason:
    "Docker Hub is docker.io, as docker, podman and containerd have it; only a bare name is in library/",
  answer(_line, { domain, name, tag, digest, ...spack }) {
    if (domain !== "docker.io" && domain !== "index.docker.io") return undefined;
    const path = String(name).replace(/^library\/(?=.*\/)/, "");
    const own = path.includes("/") ? path : `library/${path}`;
    const str = `docker.io/${own}:${String(tag)}${typeof digest === "string" ? `@${digest}` : ""}`;
    return { ...spack, domain: "docker.io", name: own, tag, digest, str };
  },
};

/** What Spack refuses although OCI allows it. */
const sha512: DepartureRule = {
  reason: "sha512 is a registered algorithm (image-spec 1.1, descriptor.md#registered-algorithms)",
  answer: ({ s }, { err }) =>
    err !== undefined && /@sha512:[0-9a-f]{128}$/.test(String(s)) ? {} : undefined,
};

const asciiTags: DepartureRule = {
  reason: "a tag is ASCII (distribution-spec 1.1); Spack makes one that every registry refuses",
  answer: ({ op }, { tag }) => {
    const own = String(tag).replace(/[^\w.-]/gu, "_");
    return op === "tag" && own !== tag ? { tag: own } : undefined;
  },
};

const ports: DepartureRule = {
  reason: "there is no port above 65535",
  answer: (_line, { domain }) => (Number(/:(\d+)$/.exec(String(domain))?.[1]) > 65535 ? {} : undefined),
};

const emptyElements: DepartureRule = {
  reason: "empty elements of a list are allowed (RFC 9110, 5.6.1.2)",
  answer: ({ op, s }, { err }) =>
    op === "www-authenticate" && err !== undefined && /,\s*(,|$)/.test(String(s)) ? {} : undefined,
};

/** Lines of oci.jsonl. */
export const oci: VectorKind = {
  name: "oci",
  questions: ["s"],
  accepts: ({ op, s }) =>
    typeof s === "string" && ["reference", "url", "tag", "www-authenticate"].some((known) => known === op),
  open: () => (line) => answerOf(textField(line, "op"), textField(line, "s")),
  rules: [dockerHub, sha512, asciiTags, ports, emptyElements],
  departures: [
    {
      line: { op: "www-authenticate", s: "" },
      answer: { err: "ValueError" },
      reason: "refused by both; Spack by accident",
    },
  ],
};
