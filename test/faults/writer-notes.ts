/** What a writer process is told and what it says, to the test that started it. */
export interface WriterStart {
  readonly root: string;
  readonly socket: string;
  readonly session: string;
  readonly name: string;
  readonly loops: number;
  /** Numbers of versions begin above this. */
  readonly seed: number;
  /** Key of the list that all writers add to. */
  readonly counter: string;
}

/** [what, key, seed, size or -1 for a delete]; of a `swap`, an addition to the list: [what, key, number, `SWAP`]. */
export type WriterNote = readonly ['begin' | 'end' | 'refused' | 'unknown' | 'swap', string, number, number];

export const SWAP = { begun: 0, done: 1, refused: 2, unknown: 3 } as const;
