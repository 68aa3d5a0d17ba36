import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders whose files take longest, and last those of many small ones, which fill what is left of both workers. */
const ORDER = ['native', 'package', 'contract', 'e2e', 'unit'];

/** Starts the longest files first: one that is started last keeps a worker busy when the other has nothing to do. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const [, folder = ''] = relative(process.cwd(), moduleId).split(/[\\/]/);
      return ORDER.includes(folder) ? ORDER.indexOf(folder) : ORDER.length;
    };
    // Stable: within a folder the order is vitest's own, by what it knows of earlier runs, else by size.
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
