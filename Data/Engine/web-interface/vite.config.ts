import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, URL } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const PACKED = /\.(?:js|css|svg|json|webmanifest|wasm)$/;
/** Smaller than a packet, with what surrounds it: nothing to gain. */
const SHORT = 1000;

/** All but the editor and its languages, the plots and the comparison: they come where they are used. */
const SHARED = /^(?!.*node_modules\/(?:@codemirror|@lezer|codemirror|style-mod|w3c-keyname|crelt|uplot)\/)/;

/** Compressed copies beside the files, which the Engine sends to browsers that accept them. */
function packed(): Plugin {
  const pack = async (file: string) => {
    const content = await readFile(file);
    if (content.length < SHORT) return;
    const [small, usual] = await Promise.all([
      // One step below the best: that takes twice as long, for 2 percent.
      promisify(brotliCompress)(content, {
        params: { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
      }),
      promisify(gzip)(content, { level: 9 }),
    ]);
    if (small.length < content.length) await writeFile(`${file}.br`, small);
    if (usual.length < content.length) await writeFile(`${file}.gz`, usual);
  };
  return {
    name: "packed",
    apply: "build",
    async writeBundle(options, bundle) {
      const folder = options.dir ?? "dist";
      const names = Object.keys(bundle).filter((name) => PACKED.test(name));
      await Promise.all(names.map((name) => pack(join(folder, name))));
    },
  };
}

export default defineConfig({
  plugins: [react(), packed()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    outDir: "dist",
    sourcemap: false,
    // Browsers that know light-dark() themselves: what stands in for it elsewhere needs a colour scheme known in advance.
    target: ["chrome123", "edge123", "firefox121", "safari17.5"],
    // Nothing inline: the page's policy lets only files of this Engine in.
    assetsInlineLimit: 0,
    // One style sheet, there from the start: a part of it that did not come while the Engine was away never would.
    cssCodeSplit: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // What several pages need comes together: dozens of small files wait for each other, six at a time.
          groups: [{ name: "shared", test: SHARED, minShareCount: 3, maxModuleSize: 60_000 }],
        },
      },
    },
    chunkSizeWarningLimit: 700,
  },
});
