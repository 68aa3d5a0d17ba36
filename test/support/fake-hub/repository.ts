import { createHash, randomBytes } from 'node:crypto';

/** A file at a commit. */
export interface StoredFile {
  readonly bytes: Buffer;
  /** Git's id of the content, or of the pointer to it. */
  readonly gitId: string;
  /** SHA-256 of the content, where Git LFS keeps it. */
  readonly sha256: string | null;
}

export interface Commit {
  readonly id: string;
  readonly title: string;
  readonly files: ReadonlyMap<string, StoredFile>;
}

export type Kind = 'models' | 'spaces';

/** A repository: commits on `main`, and tags. */
export class Repository {
  readonly commits: Commit[] = [];
  readonly tags = new Map<string, string>();
  private = false;
  gated = false;
  /** Of a Space. */
  readonly variables = new Map<string, string>();
  readonly secrets = new Map<string, string>();
  /** What a Space goes through after each commit, one stage each time it is asked; it stays in the last. */
  stages: string[] = ['RUNNING'];
  /** Commits that it is said to run, one each time it is asked; then the last. */
  runs: string[] = [];
  log: string[] = [];

  constructor(
    readonly kind: Kind,
    readonly id: string,
  ) {
    this.commit('initial commit', [['.gitattributes', stored(Buffer.from('*.onnx filter=lfs\n'), false)]], []);
  }

  get head(): Commit {
    return this.commits.at(-1) as Commit;
  }

  commit(title: string, added: readonly (readonly [string, StoredFile])[], deleted: readonly string[]): Commit {
    const files = new Map(this.commits.at(-1)?.files ?? []);
    for (const [path, file] of added) files.set(path, file);
    for (const path of deleted) files.delete(path);
    const commit = { id: randomBytes(20).toString('hex'), title, files };
    this.commits.push(commit);
    return commit;
  }

  at(revision: string): Commit | undefined {
    if (revision === 'main' || revision === 'HEAD') return this.head;
    return this.commits.find(({ id }) => id === (this.tags.get(revision) ?? revision));
  }
}

/** What the Hub takes as a large file: binary by its name here, as a real one does by its `.gitattributes`. */
export const isLarge = (path: string): boolean => /\.(onnx|weights|safetensors|bin|zip|onnx_data|engine)$/.test(path);

export function stored(bytes: Buffer, large: boolean): StoredFile {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${bytes.length}\n`;
  return { bytes, gitId: gitId(large ? Buffer.from(pointer) : bytes), sha256: large ? sha256 : null };
}

export function gitId(bytes: Buffer): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}
