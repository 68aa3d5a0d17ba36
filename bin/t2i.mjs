#!/usr/bin/env node
import { existsSync } from 'node:fs';

const entry = new URL('../dist/cli/process.js', import.meta.url);
if (existsSync(entry)) {
  const { runProcess } = await import(entry.href);
  await runProcess();
} else {
  process.stderr.write('error: t2i is not built yet\nhint: npm run build\n');
  process.exitCode = 1;
}
