import { defineConfig } from 'vite';

// Built files are committed (hub/web/static), so the same sources must always give the same files:
// names come from contents, and nothing of the machine or the moment goes in.
export default defineConfig({
  root: 'src',
  base: '/',
  publicDir: false,
  worker: { format: 'es' },
  // The documents that clients run lie beside the schema, outside of this folder.
  server: { fs: { allow: ['..', '../graphql/operations'] } },
  build: {
    outDir: '../../hub/web/static',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4096,
    license: { fileName: 'licenses.md' },
    modulePreload: { polyfill: false },
    sourcemap: false,
    target: 'es2022',
    rolldownOptions: {
      // "use client" at the top of a module means nothing in a browser; a hundred warnings say so.
      checks: { moduleLevelDirective: false },
      input: ['src/start.html', 'src/docs.html', 'src/graphiql.html'],
    },
  },
});
