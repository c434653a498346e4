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
  answer({ s }, { domain, name, tag, digest, ...spack }) {
    if (!/^(index\.|registry-1\.)?docker\.io$/i.test(String(domain))) return undefined;
    // Spack puts names without a dot before their first slash there, too.
    const wasBare = !/^(?:[^/]*:\/\/)?(?:[^/]*docker\.io\/)?library\//i.test(String(s));
    const path = wasBare ? String(name).replace(/^library\//, "") : String(name);
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
  reason: "a tag is ASCII and starts with a letter, a digit or _ (distribution-spec 1.1)",
  answer({ op }, { tag }) {
    const own = String(tag)
      .replace(/[^\w.-]/gu, "_")
      .replace(/^[.-]/, "_");
    if (own === tag) return undefined;
    return op === "tag" ? { tag: own } : refused;
  },
};

const hosts: DepartureRule = {
  reason:
    "what has a dot or a capital before the first slash is a host to docker, and no host has an underscore",
  answer: ({ s }, { domain }) =>
    domain === "index.docker.io" && /^(?:[^/]*:\/\/)?(?=[^/:]*[A-Z.])[^/:]*_[^/:]*\//.test(String(s))
      ? refused
      : undefined,
};

const hexDigests: DepartureRule = {
  reason: "a sha256 digest is in lower case (image-spec 1.1, descriptor.md#sha-256)",
  answer: ({ s }) => (/@sha256:[0-9a-f]*[A-F]/.test(String(s)) ? refused : undefined),
};

const ports: DepartureRule = {
  reason: "there is no port above 65535",
  answer: (_line, { domain }) => (Number(/:(\d+)$/.exec(String(domain))?.[1]) > 65535 ? {} : undefined),
};

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const parameter = `${token}[ \\t]*=[ \\t]*(?:${token}|"(?:[^"\\\\]|\\\\.)*")`;
const listOf = (element: string) => `(?:${element})?(?:[ \\t]*,(?:[ \\t]*${element})?)*`;
const challenge = `${token}(?: +(?:[\\w.~+/-]+=*(?=[ \\t]*(?:,|$))|${listOf(parameter)}))?`;
const challengeList = new RegExp(`^[ \\t]*${listOf(challenge)}[ \\t]*$`);

const httpChallenges: DepartureRule = {
  reason: "empty elements, token68 and trailing spaces are allowed (RFC 9110, 5.6.1.2 and 11.6.1)",
  answer: ({ op, s }, { err }) =>
    op === "www-authenticate" && err !== undefined && challengeList.test(String(s)) ? {} : undefined,
};

const oneOfAName: DepartureRule = {
  reason: "a parameter occurs once in a challenge (RFC 9110, 11.2): the first counts",
  answer: (_line, { challenges }) =>
    Array.isArray(challenges) ? { challenges: challenges.map(withoutTwins) } : undefined,
};

function withoutTwins({ scheme, params }: { scheme: string; params: [string, string][] }) {
  const isFirst = ([name]: [string, string], at: number) =>
    params.findIndex(([other]) => other === name) === at;
  return { scheme, params: params.filter(isFirst) };
}

/** Lines of oci.jsonl. */
export const oci: VectorKind = {
  name: "oci",
  questions: ["s"],
  accepts: ({ op, s }) =>
    typeof s === "string" && ["reference", "url", "tag", "www-authenticate"].some((known) => known === op),
  open: () => (line) => answerOf(textField(line, "op"), textField(line, "s")),
  rules: [hosts, dockerHub, sha512, hexDigests, asciiTags, ports, httpChallenges, oneOfAName],
  departures: [
    {
      line: { op: "www-authenticate", s: "" },
      answer: { err: "ValueError" },
      reason: "refused by both; Spack by accident",
    },
  ],
};
