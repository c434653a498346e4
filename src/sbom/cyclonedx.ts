import { createHash } from "node:crypto";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { formatFull } from "../spec/format-concrete.js";
import type { Bill, BilledImage } from "./bill.js";
import type { Facts } from "./facts.js";
import { imageUrl, packageUrl } from "./purl.js";

/** The property that holds a package's DAG hash. */
export const hashProperty = "spack:dag-hash";

/** A bill as CycloneDX 1.6. */
export function cyclonedxDocument(bill: Bill): object {
  const { subject, packages, running, edges, facts, created } = bill;
  const components = new Map(
    packages.map((spec) => [spec.hash, componentOf(spec, facts(spec), { isRun: running.has(spec.hash) })]),
  );
  const needs = new Map<DagHash, DagHash[]>(packages.map(({ hash }) => [hash, []]));
  for (const { from, to } of edges) needs.get(from)?.push(to);
  const base = subject.type === "image" ? subject.image.base : undefined;
  const of = subject.type === "package" ? subject.spec.hash : subject.image.digest;
  const content = {
    metadata: {
      ...(created === undefined ? {} : { timestamp: created }),
      tools: { components: [{ type: "application", name: "stowage" }] },
      component:
        subject.type === "package" ? components.get(subject.spec.hash) : imageComponent(subject.image),
    },
    components: [
      ...(base === undefined ? [] : [baseComponent(base)]),
      ...[...components].filter(([hash]) => hash !== of).map(([, component]) => component),
    ],
    dependencies: [
      ...(subject.type === "image"
        ? [{ ref: of, dependsOn: [...(base === undefined ? [] : [base.digest]), ...subject.image.roots] }]
        : []),
      ...(base === undefined ? [] : [{ ref: base.digest }]),
      ...[...needs].map(([ref, dependsOn]) => ({ ref, dependsOn })),
    ],
  };
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(content))}`,
    version: 1,
    ...content,
  };
}

function componentOf(spec: ConcreteSpec, facts: Facts | undefined, { isRun }: { isRun: boolean }): object {
  const hashes = facts?.checksums.map(({ algorithm, value }) => ({
    alg: algorithm.replace("SHA", "SHA-"),
    content: value,
  }));
  return {
    // What CycloneDX calls a component of which it is not known whether it is an application.
    type: "library",
    "bom-ref": spec.hash,
    ...(facts?.supplier === undefined ? {} : { supplier: { name: facts.supplier.replace(/^\w+: /, "") } }),
    name: spec.name,
    version: spec.version,
    scope: isRun ? "required" : "excluded",
    ...(facts?.license === undefined ? {} : { licenses: [{ expression: facts.license }] }),
    purl: packageUrl(spec, facts),
    ...(facts?.download === undefined
      ? {}
      : {
          externalReferences: [
            {
              type: "source-distribution",
              url: facts.download,
              ...(hashes === undefined || hashes.length === 0 ? {} : { hashes }),
            },
          ],
        }),
    properties: [
      { name: hashProperty, value: spec.hash },
      { name: "spack:spec", value: formatFull(spec) },
      ...(spec.external === undefined ? [] : [{ name: "spack:external", value: "true" }]),
    ],
  };
}

const imageComponent = (image: BilledImage): object => ({
  type: "container",
  "bom-ref": image.digest,
  name: image.repository,
  version: image.tag,
  hashes: [{ alg: "SHA-256", content: image.digest.replace("sha256:", "") }],
  purl: imageUrl(image),
});

const baseComponent = ({ name, digest }: { readonly name: string; readonly digest: string }): object => ({
  type: "container",
  "bom-ref": digest,
  name,
  version: digest,
  description: "The base image. Its own packages are not listed: a scanner of the image finds them.",
});

/** A UUID of version 8 (RFC 9562), made of the content: the same packages give the same bytes. */
function uuidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`];
  return `${parts.join("-")}-${hex.slice(20, 32)}`;
}
