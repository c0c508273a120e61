import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const OWN_LICENSES = 'notification-inbox.licenses.md';

/** What the pages' build noted of whose work is in them is one file; this module's part goes to its end. */
const licensesOfInbox = {
  name: 'licenses-of-inbox',
  writeBundle({ dir }) {
    const own = readFileSync(join(dir, OWN_LICENSES), 'utf8').replace(/^# .*\n/, '').replace(/^## /gm, '### ');
    appendFileSync(join(dir, 'licenses.md'), `\n## Inside notification-inbox.js\n${own}`);
    rmSync(join(dir, OWN_LICENSES));
  },
};

// A module that any page loads from its hub: one file with all it needs, under a name that stays. A build of its own,
// after that of the pages, since what it shares with them must not lie in their chunks.
export default defineConfig({
  root: 'src',
  publicDir: false,
  plugins: [licensesOfInbox],
  build: {
    outDir: '../../hub/web/static',
    emptyOutDir: false,
    license: { fileName: OWN_LICENSES },
    lib: { entry: here('src/inbox/index.ts'), formats: ['es'], fileName: () => 'notification-inbox.js' },
    minify: true,
    sourcemap: false,
    target: 'es2022',
    rolldownOptions: {
      output: { banner: '/*! The notification hub\'s inbox. Whose work is in it: /licenses.md at the hub. */', comments: { legal: false } },
    },
  },
});
