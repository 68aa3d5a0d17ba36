import { describe, expect, it } from 'vitest';
import { FunctionCalls } from '../../../src/model/onnx-functions.js';

/** A graph with these functions, of which the main one calls `f0`; each calls those that are listed with it. */
function graph(functions: readonly (readonly string[])[], main: readonly string[] = ['f0']): FunctionCalls {
  const calls = new FunctionCalls();
  for (const callee of main) calls.add(calls.main, 'local', callee);
  for (const [i, callees] of functions.entries()) {
    const caller = calls.define('local', `f${i}`);
    for (const callee of callees) calls.add(caller, 'local', callee);
  }
  return calls;
}
const chain = (length: number) => Array.from({ length }, (_, i) => [`f${i + 1}`]);
const checked = (calls: FunctionCalls) => () => calls.check();

describe('the calls of functions', () => {
  it('may be 64 deep, in whichever order they are defined', () => {
    expect(checked(graph(chain(64)))).not.toThrow();
    expect(checked(graph(chain(65)))).toThrow('functions that call each other more than 64 deep');
    // Each is known before the one that calls it is asked for.
    const backwards = (length: number) => {
      const calls = new FunctionCalls();
      for (let i = length - 1; i >= 0; i--) calls.add(calls.define('local', `f${i}`), 'local', `f${i + 1}`);
      return calls;
    };
    expect(checked(backwards(65))).not.toThrow();
    expect(checked(backwards(66))).toThrow('more than 64 deep');
  });

  it('may grow to a million nodes', () => {
    // Each function calls the next one ten times.
    const tens = (depth: number, more: number) =>
      graph([
        ...Array.from({ length: depth }, (_, i) => Array<string>(10).fill(`f${i + 1}`)),
        [...Array<string>(more).fill('Add')],
      ]);
    expect(checked(tens(5, 10))).not.toThrow();
    expect(checked(tens(5, 11))).toThrow('functions that grow to more than 1000000 nodes');
    // However deep the calls are that the main graph repeats.
    for (const functions of [[], [['Add']], [['f1'], ['Add']]]) {
      const repeat = (times: number) =>
        graph(functions, Array<string>(times).fill(functions.length > 0 ? 'f0' : 'Add'));
      expect(checked(repeat(1_000_000))).not.toThrow();
      expect(checked(repeat(1_000_001))).toThrow('functions that grow to more than 1000000 nodes');
    }
  });

  it('are none to operators of the runtime, of the same name or not', () => {
    const calls = new FunctionCalls();
    calls.add(calls.define('local', 'Add'), '', 'Add');
    calls.add(calls.define('other', 'f'), 'local', 'f');
    calls.add(calls.main, 'local', 'Add');
    expect(checked(calls)).not.toThrow();
  });

  it('do not come back to where they began, by either name of the standard domain', () => {
    expect(checked(graph([['f1'], ['f2'], ['f1']]))).toThrow('a function that calls itself');
    const standard = new FunctionCalls();
    standard.add(standard.define('ai.onnx', 'f'), '', 'f');
    expect(checked(standard)).toThrow('a function that calls itself');
  });

  it('may meet again, where none of them is open', () => {
    expect(checked(graph([['f1', 'f2'], ['f3'], ['f3'], ['Add']]))).not.toThrow();
  });
});
