/** `t2i.json`, the manifest of a model that our own exporter wrote. */
export interface Manifest {
  readonly formatVersion: 1;
  readonly name: string;
  /** SHA-256 in hex by path in the model directory. */
  readonly files: Readonly<Record<string, string>>;
  readonly defaults: { readonly steps: number; readonly guidanceScale: number; readonly sampler: string };
  readonly training: Readonly<Record<string, unknown>>;
  readonly dataFingerprint: string;
  readonly nullEmbeddingSha256: string;
  readonly evaluation: Readonly<Record<string, unknown>> | null;
  readonly licence: string;
}
