/** What several processes of a training may share. */
export const STRATEGIES = ['ddp', 'zero1', 'zero2', 'zero3'] as const;
