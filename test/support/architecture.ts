import { posix } from 'node:path';
import ts from 'typescript';

/** A file of the repository: path from its root with forward slashes, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

interface Layer {
  /** Path under src/ that the layer owns: a folder with a trailing slash, or one file. The longest match wins. */
  readonly owns: string;
  /** Layers it may import, besides itself. */
  readonly imports: readonly string[];
  /** Imports erase at compile time (`import type`). */
  readonly typesOnly?: true;
  readonly node?: false;
  readonly packages?: readonly string[];
  /** Packages whose types alone it may import: nothing of them is there at run time. */
  readonly typePackages?: readonly string[];
}

const CORE = [
  ...['errors.ts', 'fields.ts', 'suggest.ts', 'files.ts', 'options.ts', 'diffusion/', 'text/', 'model/', 'image/'],
  'backends/backend.ts',
];

/** The table of the layers: each may import those it names, nobody may import a layer that none names (the command line). */
const LAYERS: readonly Layer[] = [
  { owns: 'errors.ts', imports: [], node: false },
  { owns: 'report-address.ts', imports: [] },
  { owns: 'built-entry.ts', imports: [] },
  { owns: 'unbundled.ts', imports: ['errors.ts'] },
  { owns: 'printable.ts', imports: [], node: false },
  { owns: 'suggest.ts', imports: [], node: false },
  { owns: 'fields.ts', imports: ['errors.ts', 'suggest.ts'], node: false },
  { owns: 'request-limits.ts', imports: ['fields.ts'], node: false },
  { owns: 'options.ts', imports: ['errors.ts', 'fields.ts', 'request-limits.ts'], node: false },
  { owns: 'trainer-folder.ts', imports: [] },
  { owns: 'python/', imports: ['errors.ts', 'trainer-folder.ts'] },
  { owns: 'process-tag.ts', imports: [] },
  { owns: 'file-lock.ts', imports: ['files.ts', 'process-tag.ts'] },
  { owns: 'temporary-files.ts', imports: ['process-tag.ts'] },
  { owns: 'files.ts', imports: ['errors.ts', 'temporary-files.ts'] },
  { owns: 'cache-folder.ts', imports: ['errors.ts', 'files.ts'] },
  { owns: 'http/', imports: ['errors.ts', 'fields.ts'] },
  {
    owns: 'aws/',
    imports: ['errors.ts', 'fields.ts', 'http/'],
    packages: ['@aws-sdk/client-cloudwatch-logs', '@aws-sdk/client-s3', '@aws-sdk/client-sagemaker'],
  },
  { owns: 'diffusion/', imports: ['errors.ts'], node: false },
  { owns: 'text/', imports: ['errors.ts'], node: false },
  {
    owns: 'model/',
    imports: ['errors.ts', 'fields.ts', 'suggest.ts', 'files.ts', 'request-limits.ts', 'diffusion/', 'text/'],
    packages: ['zod'],
  },
  { owns: 'image/', imports: ['errors.ts', 'fields.ts', 'files.ts'], packages: ['sharp'] },
  {
    owns: 'backends/backend.ts',
    imports: ['errors.ts', 'options.ts', 'diffusion/', 'model/'],
    typesOnly: true,
    node: false,
  },
  { owns: 'backends/job-queue.ts', imports: ['errors.ts', 'backends/backend.ts'], node: false },
  { owns: 'backends/hashed-noise.ts', imports: ['diffusion/'] },
  {
    owns: 'backends/process/',
    imports: ['errors.ts', 'report-address.ts', 'backends/backend.ts', 'backends/job-queue.ts'],
  },
  {
    owns: 'backends/onnxruntime/',
    imports: [
      ...['errors.ts', 'built-entry.ts', 'diffusion/', 'model/'],
      ...['backends/backend.ts', 'backends/hashed-noise.ts', 'backends/process/'],
    ],
    packages: ['onnxruntime-common'],
  },
  {
    owns: 'backends/pytorch/',
    imports: [
      ...['errors.ts', 'trainer-folder.ts', 'python/', 'diffusion/', 'model/'],
      ...['backends/backend.ts', 'backends/hashed-noise.ts', 'backends/job-queue.ts', 'backends/process/'],
    ],
  },
  { owns: 'backends/tensorrt/native.ts', imports: [], node: false },
  {
    owns: 'backends/tensorrt/',
    imports: [
      ...[
        'errors.ts',
        'fields.ts',
        'suggest.ts',
        'files.ts',
        'cache-folder.ts',
        'file-lock.ts',
        'built-entry.ts',
        'report-address.ts',
        'diffusion/',
        'model/',
      ],
      ...['backends/backend.ts', 'backends/hashed-noise.ts', 'backends/job-queue.ts', 'backends/process/'],
      'backends/tensorrt/native.ts',
    ],
    packages: ['zod'],
  },
  {
    owns: 'backends/select.ts',
    imports: [
      ...['errors.ts', 'model/', 'backends/backend.ts'],
      ...['backends/onnxruntime/', 'backends/pytorch/', 'backends/tensorrt/'],
    ],
  },
  {
    owns: 'backends/engines.ts',
    imports: ['errors.ts', 'model/', 'backends/backend.ts', 'backends/onnxruntime/', 'backends/tensorrt/'],
  },
  {
    owns: 'hub/',
    imports: [
      ...[
        'errors.ts',
        'fields.ts',
        'files.ts',
        'cache-folder.ts',
        'file-lock.ts',
        'temporary-files.ts',
        'http/',
        'model/',
      ],
    ],
    packages: ['zod'],
  },
  { owns: 'pipeline.ts', imports: [...CORE, 'backends/select.ts', 'hub/', 'pipeline/'] },
  { owns: 'pipeline/', imports: [...CORE, 'backends/select.ts'] },
  { owns: 'verify/', imports: [...CORE, 'pipeline/'] },
  { owns: 'verify.ts', imports: [...CORE, 'pipeline.ts', 'pipeline/', 'verify/'] },
  {
    owns: 'bench/',
    imports: [
      ...CORE,
      'built-entry.ts',
      'trainer-folder.ts',
      'backends/process/',
      'backends/select.ts',
      'pipeline.ts',
      'pipeline/',
      'server/',
    ],
  },
  {
    owns: 'ops/',
    imports: [
      'errors.ts',
      'fields.ts',
      'suggest.ts',
      'files.ts',
      'file-lock.ts',
      'cache-folder.ts',
      'temporary-files.ts',
      'trainer-folder.ts',
      'python/',
      'http/',
      'aws/',
      'hub/',
      'model/',
    ],
    packages: [
      ...['zod', 'yaml', '@huggingface/hub'],
      ...['@aws-sdk/client-cloudwatch-logs', '@aws-sdk/client-s3', '@aws-sdk/client-sagemaker', '@aws-sdk/lib-storage'],
    ],
  },
  // Its files run in browsers, which get nothing else of src/.
  { owns: 'server/page/browser/', imports: [], node: false },
  {
    owns: 'server/',
    imports: [...CORE, 'built-entry.ts', 'printable.ts', 'unbundled.ts', 'aws/', 'hub/', 'pipeline.ts', 'pipeline/'],
    packages: [
      ...['zod', 'hono', '@hono/node-server', 'pino', 'prom-client', '@opentelemetry/api', 'bullmq', 'ioredis'],
      '@aws-sdk/client-s3',
    ],
  },
  {
    owns: 'ai/',
    imports: ['errors.ts', 'fields.ts', 'options.ts', 'unbundled.ts', 'http/', 'pipeline.ts'],
    typePackages: ['@ai-sdk/provider'],
  },
  { owns: 'index.ts', imports: [...CORE, 'unbundled.ts', 'pipeline.ts', 'pipeline/', 'verify.ts'] },
  {
    owns: 'cli/',
    imports: [
      ...CORE,
      'cache-folder.ts',
      'process-tag.ts',
      'temporary-files.ts',
      'report-address.ts',
      'printable.ts',
      'server/',
      'backends/select.ts',
      'backends/engines.ts',
      'backends/tensorrt/native.ts',
      'pipeline.ts',
      'pipeline/',
      'verify.ts',
      'verify/',
      'bench/',
      'python/',
      'http/',
      'aws/',
      'hub/',
      'ops/',
    ],
    packages: ['commander', 'yaml'],
  },
];

const MAX_LINES = 300;
const TYPESCRIPT_NAME = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|d))?\.(ts|mjs)$/;
const NATIVE_NAME = /^[a-z0-9]+(_[a-z0-9]+)*\.(cc|h|cu)$/;
const PYTHON_NAME = /^_{0,2}[a-z0-9]+(_[a-z0-9]+)*_{0,2}\.py$/;

/** Every import in src/ that the table of the layers does not allow, as `path: sentence`. */
export function checkLayers(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => file.path.startsWith('src/') && file.path.endsWith('.ts'))
    .flatMap((file) => checkFile(file).map((problem) => `${file.path}: ${problem}`));
}

/** Every file name that is not kebab-case (TypeScript) or snake_case (Python, C++), and every file that is too long. */
export function checkFiles(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const name = posix.basename(file.path);
    const problems: string[] = [];
    if (/\.(ts|mjs)$/.test(name) && !TYPESCRIPT_NAME.test(name)) problems.push('the name is not kebab-case');
    if (name.endsWith('.py') && !PYTHON_NAME.test(name)) problems.push('the name is not snake_case');
    if (/\.(cc|cpp|cxx|h|hpp|cu|cuh)$/.test(name) && !NATIVE_NAME.test(name)) {
      problems.push('the name is not snake_case with the ending .cc, .h or .cu');
    }
    const lines = file.text.split('\n').length - 1;
    if (lines > MAX_LINES) problems.push(`${lines} lines, more than ${MAX_LINES}`);
    return problems.map((problem) => `${file.path}: ${problem}`);
  });
}

function checkFile(file: SourceFile): string[] {
  const layer = layerOf(file.path.slice('src/'.length));
  if (layer === undefined) return ['belongs to no layer; enter it in the table of the layers'];
  return importsOf(file).flatMap(({ specifier, typeOnly }) => {
    if (layer.typesOnly && !typeOnly) return [`imports ${specifier} as a value, but only types may be imported here`];
    if (specifier.startsWith('node:')) {
      return layer.node === false ? [`imports ${specifier}, but this layer is free of Node`] : [];
    }
    if (!specifier.startsWith('.')) {
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      if (typeOnly && layer.typePackages?.includes(name)) return [];
      return layer.packages?.includes(name) ? [] : [`imports the package ${name}, which this layer must not touch`];
    }
    const target = posix.join(posix.dirname(file.path), specifier).replace(/\.js$/, '.ts');
    if (!target.startsWith('src/')) return [`imports ${specifier}, which lies outside src/`];
    const other = layerOf(target.slice('src/'.length));
    if (other === layer || (other !== undefined && layer.imports.includes(other.owns))) return [];
    return [`imports ${target.slice('src/'.length)}, which is not a layer it may see`];
  });
}

function layerOf(path: string): Layer | undefined {
  return LAYERS.filter(({ owns }) => path === owns || (owns.endsWith('/') && path.startsWith(owns))).sort(
    (a, b) => b.owns.length - a.owns.length,
  )[0];
}

/** Static imports, re-exports, dynamic imports, import types and require calls. */
function importsOf(file: SourceFile): { specifier: string; typeOnly: boolean }[] {
  const found: { specifier: string; typeOnly: boolean }[] = [];
  const add = (node: ts.Node | undefined, typeOnly: boolean) => {
    if (node !== undefined && ts.isStringLiteralLike(node)) found.push({ specifier: node.text, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly === true);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    else if (ts.isCallExpression(node)) {
      const callee = node.expression;
      const isRequire = ts.isIdentifier(callee) && callee.text === 'require';
      if (callee.kind === ts.SyntaxKind.ImportKeyword || isRequire) add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true));
  return found;
}
