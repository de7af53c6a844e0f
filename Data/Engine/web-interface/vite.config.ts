import { fileURLToPath, URL } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
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
    chunkSizeWarningLimit: 700,
  },
});
