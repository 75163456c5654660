// node tests/live/in_node.mjs JOB.json: prints what `compareAll` finds, as JSON. Paths are seen from the job's folder.

import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { compareAll } from "./compare.mjs";

const folder = dirname(process.argv[2]);
const read = async (path) => {
  const { buffer, byteOffset, byteLength } = await readFile(resolve(folder, path));
  return buffer.slice(byteOffset, byteOffset + byteLength);
};
console.log(JSON.stringify(await compareAll(JSON.parse(await readFile(process.argv[2], "utf8")), read)));
