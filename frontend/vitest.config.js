import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The documents that clients run lie outside of this folder.
  server: { fs: { allow: [fileURLToPath(new URL('..', import.meta.url))] } },
  test: { include: ['tests/**/*.test.ts'] },
});
