import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const LICENSES = 'licenses.md';

/** swagger-ui-dist is a bundle itself; whose work is in it stands in a file beside it. */
const licensesOfSwagger = {
  name: 'licenses-of-swagger',
  writeBundle({ dir }) {
    const notices = readFileSync(here('node_modules/swagger-ui-dist/swagger-ui-es-bundle.js.LICENSE.txt'), 'utf8');
    appendFileSync(join(dir, LICENSES), `\n## Inside swagger-ui-dist\n\n${notices}`);
  },
};

// Built files are committed (hub/web/static), so the same sources must always give the same files:
// names come from contents, and nothing of the machine or the moment goes in.
export default defineConfig({
  root: 'src',
  base: '/',
  publicDir: false,
  plugins: [licensesOfSwagger],
  worker: { format: 'es' },
  // The documents that clients run lie beside the schema, outside of this folder.
  server: { fs: { allow: [here('.'), here('../graphql/operations')] } },
  build: {
    outDir: '../../hub/web/static',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 5120,
    license: { fileName: LICENSES },
    modulePreload: { polyfill: false },
    sourcemap: false,
    target: 'es2022',
    rolldownOptions: {
      // "use client" at the top of a module means nothing in a browser; a hundred warnings say so.
      checks: { moduleLevelDirective: false },
      output: {
        // Chunks of megabytes that change with the lock file alone: an edited example is a small change in git.
        codeSplitting: {
          groups: [
            { name: 'swagger-ui', test: /node_modules\/swagger-ui-dist\// },
            { name: 'explorer', test: /node_modules\/(?!swagger-ui-dist|prettier)|vite\/preload-helper/ },
          ],
        },
      },
      input: ['src/start.html', 'src/inbox.html', 'src/docs.html', 'src/graphiql.html'],
    },
  },
});
