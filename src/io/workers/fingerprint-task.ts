import { createHash } from "node:crypto";
import { compareFileNames } from "../../base/file-name.js";
import { systemFiles } from "../system/files.js";

/** A digest of what a directory holds, by names, sizes and times: no file is read. */
export async function fingerprintTask(directory: string): Promise<string> {
  const hash = createHash("sha256");
  const add = (below: string): void => {
    const listed = systemFiles
      .list(`${directory}/${below}`)
      .toSorted((a, b) => compareFileNames(a.name, b.name));
    for (const { name, type } of listed) {
      const path = `${below}${name}`;
      const { size, mode, mtimeMs } = systemFiles.stat(`${directory}/${path}`) ?? {};
      hash.update(JSON.stringify([path, type, mode, ...(type === "directory" ? [] : [size, mtimeMs])]));
      if (type === "directory") add(`${path}/`);
    }
  };
  add("");
  return hash.digest("hex");
}
