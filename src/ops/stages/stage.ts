/** A stage of a project: commands that make files out of others. Paths are relative to the project, with forward slashes. */
export interface Stage {
  readonly name: string;
  /** Command lines of t2i, one after the other, without the program's name. */
  readonly commands: readonly (readonly string[])[];
  /** Files and folders that it reads. */
  readonly inputs: readonly string[];
  /** Parameters that it depends on by name, such as `training`, with their values. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Files and folders that it makes. */
  readonly outputs: readonly string[];
}
