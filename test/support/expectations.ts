import ts from 'typescript';
import type { SourceFile } from './architecture.js';

const COMPARE = new Set(['toMatchObject', 'toEqual', 'toStrictEqual', 'objectContaining', 'arrayContaining']);

/**
 * Expectations that hold a regular expression where a text comes: `toMatchObject({ message: /x/ })` passes for every message, since a
 * regular expression has no keys to compare. `expect.stringMatching(/x/)` compares.
 *
 * @returns a line for each
 */
export function checkExpectations(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path, text }) => /^test\/.*\.ts$/.test(path) && [...COMPARE].some((name) => text.includes(`${name}(`)))
    .flatMap(({ path, text }) => {
      const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
      return bareExpressions(source).map((node) => {
        const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
        return `${path}:${line + 1}: ${node.getText(source)} is compared with a text; expect.stringMatching does that`;
      });
    });
}

function bareExpressions(node: ts.Node): ts.Node[] {
  const here =
    ts.isCallExpression(node) &&
    ts.isPropertyAccessExpression(node.expression) &&
    COMPARE.has(node.expression.name.text)
      ? node.arguments.flatMap(literalsIn)
      : [];
  const below: ts.Node[] = [];
  ts.forEachChild(node, (child) => void below.push(...bareExpressions(child)));
  return [...here, ...below];
}

/** In objects and lists, and not in what they call. */
function literalsIn(node: ts.Node): ts.Node[] {
  if (ts.isRegularExpressionLiteral(node)) return [node];
  if (ts.isPropertyAssignment(node)) return literalsIn(node.initializer);
  if (ts.isObjectLiteralExpression(node)) return node.properties.flatMap(literalsIn);
  if (ts.isArrayLiteralExpression(node)) return node.elements.flatMap(literalsIn);
  return [];
}
