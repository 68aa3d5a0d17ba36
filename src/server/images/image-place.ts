/** What keeps files under names that are given once. */
export interface ImagePlace {
  write(name: string, bytes: Uint8Array, mediaType: string): Promise<void>;
  /** Null for one that is not there, or whose time is over. */
  read(name: string): Promise<Uint8Array<ArrayBuffer> | null>;
  close(): void;
}
