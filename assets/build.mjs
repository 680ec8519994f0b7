// Builds the portal's stylesheet, script, icon and web fonts.
//
//   npm ci --ignore-scripts     the pinned tools (only developers need Node)
//   npm run build               writes ../static; commit what changed
//   node build.mjs DIR          writes DIR instead (tests/test_assets.py compares)
//
// Every file's name carries a hash of its bytes, so that a browser may keep it for ever;
// manifest.json says which name is in force and portal/assets.py reads it. A `.gz` and a `.br`
// lie beside what compresses. The same sources give the same names, on any machine. The folder
// static/fonts-pdf is not built: those fonts are kept as published, for the PDF documents.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { build } from "esbuild";
import { compile } from "sass";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "../static"));
const modules = join(here, "node_modules");
const fontFolder = join(modules, "@fontsource-variable/source-sans-3");
const FONTS = ["latin", "latin-ext", "vietnamese"];
const BUILT = /-[0-9a-f]{12}\.\w+(\.gz|\.br)?$/;

const manifest = {};

function write(name, bytes) {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  const dot = name.lastIndexOf(".");
  const hashed = `${name.slice(0, dot)}-${hash}${name.slice(dot)}`;
  writeFileSync(join(out, hashed), bytes);
  if (!name.endsWith(".woff2")) {
    writeFileSync(join(out, `${hashed}.gz`), gzipSync(bytes, { level: 9 }));
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
    writeFileSync(join(out, `${hashed}.br`), brotliCompressSync(bytes, { params }));
  }
  manifest[name] = hashed;
  return hashed;
}

mkdirSync(out, { recursive: true });
for (const name of readdirSync(out)) if (BUILT.test(name)) rmSync(join(out, name));

for (const part of FONTS) {
  const file = join(fontFolder, `files/source-sans-3-${part}-wght-normal.woff2`);
  write(`source-sans-3-${part}.woff2`, readFileSync(file));
}
write("icon.svg", readFileSync(join(here, "images/icon.svg")));

const { css } = compile(join(here, "scss/portal.scss"), {
  loadPaths: [modules],
  style: "compressed",
  charset: false,
  quietDeps: true,
});
write(
  "portal.css",
  Buffer.from(css.replace(/url\("?([\w-]+\.woff2)"?\)/g, (_, name) => `url(${manifest[name]})`)),
);

const { outputFiles } = await build({
  entryPoints: [join(here, "js/portal.js")],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2020",
  charset: "utf8",
  write: false,
});
write("portal.js", Buffer.from(outputFiles[0].contents));

writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
const licences = [
  ["GOV.UK Frontend (parts of portal.css)", join(here, "LICENSE-govuk-frontend.txt")],
  ["Source Sans 3 (source-sans-3-*.woff2)", join(fontFolder, "LICENSE")],
].map(([what, file]) => `${what}\n\n${readFileSync(file, "utf8").trim()}\n`);
writeFileSync(join(out, "LICENSES.txt"), licences.join(`\n${"-".repeat(72)}\n\n`));
