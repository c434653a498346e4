import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export interface WebServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: string[];
}

/** A web server of a directory's files: with ranges, and without listings. A `cut` answer breaks off half-way. */
export async function startWebServer(
  root: string,
  { cut, login }: { readonly cut?: (path: string, seen: number) => boolean; readonly login?: string } = {},
): Promise<WebServer> {
  const requests: string[] = [];
  const seen = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "/");
    requests.push(`${request.method} ${path}`);
    seen.set(path, (seen.get(path) ?? 0) + 1);
    if (login !== undefined && request.headers.authorization !== `Basic ${btoa(login)}`)
      return void response.writeHead(401, { "www-authenticate": 'Basic realm="cache"' }).end();
    const file = statSync(join(root, path), { throwIfNoEntry: false });
    if (file?.isFile() !== true)
      return void response.writeHead(404, { "content-type": "text/plain" }).end("no");
    const etag = `"${file.size}-${file.mtimeMs}"`;
    const [, from = "0"] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
    const start = request.headers["if-range"] === etag ? Number(from) : 0;
    response.writeHead(start > 0 ? 206 : 200, {
      etag,
      "content-length": file.size - start,
      ...(start > 0 ? { "content-range": `bytes ${start}-${file.size - 1}/${file.size}` } : {}),
    });
    if (request.method === "HEAD" || file.size === 0) return void response.end();
    const broken = cut?.(path, seen.get(path) ?? 0) === true;
    const end = broken ? Math.floor((start + file.size) / 2) : file.size - 1;
    const bytes = createReadStream(join(root, path), { start, end });
    bytes.pipe(response, { end: !broken });
    if (broken) bytes.on("end", () => setTimeout(() => request.socket.destroy(), 20));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
