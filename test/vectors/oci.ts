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
import { type Answer, type Departure, textField, type VectorKind } from "./kind.js";

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

const hub = (s: string, name: string, tag = "latest"): Departure => ({
  line: { op: "reference", s },
  answer: { domain: "docker.io", name, tag, digest: null, str: `docker.io/${name}:${tag}` },
  reason:
    "Docker Hub is docker.io, as docker, podman and containerd have it; only a bare name is in library/",
});

/** Lines of oci.jsonl. */
export const oci: VectorKind = {
  name: "oci",
  questions: ["s"],
  accepts: ({ op, s }) =>
    typeof s === "string" && ["reference", "url", "tag", "www-authenticate"].some((known) => known === op),
  open: () => (line) => answerOf(textField(line, "op"), textField(line, "s")),
  departures: [
    hub("ubuntu", "library/ubuntu"),
    hub("ubuntu:24.04", "library/ubuntu", "24.04"),
    hub("user/image", "user/image"),
    hub("library/ubuntu", "library/ubuntu"),
    hub("index.docker.io/library/ubuntu", "library/ubuntu"),
    hub("my_registry/img", "my_registry/img"),
    hub("a__b/c", "a__b/c"),
    hub("UPPER", "library/upper"),
    hub("user/UPPER:Tag", "user/upper", "Tag"),
    {
      line: { op: "url", s: "oci://a/b" },
      answer: { scheme: "https", domain: "docker.io", name: "a/b", tag: "latest" },
      reason: "Docker Hub is docker.io",
    },
    {
      line: { op: "reference", s: "host:99999/x" },
      answer: {},
      reason: "there is no port 99999",
    },
    {
      line: { op: "tag", s: "é-1.spack" },
      answer: { tag: "_-1.spack" },
      reason: "a tag is ASCII (distribution-spec 1.1); Spack makes one that every registry refuses",
    },
    {
      line: { op: "www-authenticate", s: 'Bearer realm="a",' },
      answer: {},
      reason: "empty elements of a list are allowed (RFC 9110, 5.6.1.2)",
    },
    {
      line: { op: "www-authenticate", s: "" },
      answer: { err: "ValueError" },
      reason: "refused by both; Spack by accident",
    },
  ],
};
