import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Milliseconds of each file of tests without a mutant, by its path from the root; runner.mjs writes them. */
const times = (): Readonly<Record<string, number>> =>
  JSON.parse(readFileSync(process.env.T2I_MUTATION_TIMES as string, 'utf8'));

/** Nearly every mutant is noticed by some quick test, and the rest are not run then: the longest files come last. */
export class QuickestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const known = times();
    const time = ({ moduleId }: TestSpecification) => known[relative(this.ctx.config.root, moduleId)] ?? 0;
    // Stable: files that are not measured yet stay as vitest has them, and so do the projects.
    return (await super.sort(files)).toSorted((a, b) => time(a) - time(b));
  }
}
