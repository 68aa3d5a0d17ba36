import { describe, expect, it } from 'vitest';
import { changedSteps } from '../../run/changed-steps.mjs';

/** What would run for a change of these files: the steps by name, and what vitest is told. */
function planned(...files: string[]) {
  const steps = changedSteps(files, '/scratch');
  const vitest = (name: string) => {
    const action = steps.find((step) => step.name === name)?.action(new Map());
    return action && 'command' in action ? action.command.filter((arg) => /^(src|test)\/[^!]*$/.test(arg)) : [];
  };
  return {
    names: steps.map(({ name }) => name),
    byImport: vitest('tests by import (vitest)'),
    byPath: vitest('tests by path (vitest)'),
  };
}

describe('the checks of a change', () => {
  it('of the command line are its programs and what imports it', () => {
    const { names, byImport, byPath } = planned('src/cli/main.ts');
    expect(names).toContain('types');
    expect(names).not.toContain('addon (sim)');
    expect(names).not.toContain('trainer tests (pytest)');
    expect(byImport).toEqual(['src/cli/main.ts']);
    expect(byPath).toEqual(['test/architecture.test.ts', 'test/e2e/pipeline', 'test/e2e/cli-', 'test/unit/docs']);
  });

  it('of the addon are the tests of the core, then those through Node', () => {
    const { names, byImport, byPath } = planned('native/pipeline/pipeline.cc');
    expect(names).toEqual(expect.arrayContaining(['addon (sim)', 'core tests (sim)']));
    expect(byImport).toEqual([]);
    expect(byPath).toEqual(['test/architecture.test.ts', 'test/contract/tensorrt', 'test/native/']);
  });

  it('of the trainer are its own', () => {
    const { names, byPath } = planned('trainer/t2i_trainer/emoji/scene.py');
    expect(names).toEqual(expect.arrayContaining(['Python environment', 'trainer tests (pytest)']));
    expect(byPath).toEqual(['test/architecture.test.ts']);
  });

  it('of the apps are their tests and types, in both environments', () => {
    const { names, byPath } = planned('apps/gradio_app.py');
    const [types, tests] = ['types of the apps (mypy)', 'tests of the apps (pytest)'];
    expect(names).toEqual(
      expect.arrayContaining(['Python environment', 'Python clients of the server', types, tests, 'lint (ruff)']),
    );
    expect(byPath).toEqual(['test/architecture.test.ts', 'test/e2e/apps']);
    expect(planned('test/apps/test_client.py').names).toContain(tests);
  });

  it('of a test is that test, and none of a file that is gone', () => {
    const { byImport, byPath } = planned('test/unit/run/run.test.ts', 'test/unit/gone.test.ts');
    expect(byImport).toEqual(['test/unit/run/run.test.ts']);
    expect(byPath).toEqual(['test/architecture.test.ts', 'test/unit/run/run.test.ts']);
  });
});
