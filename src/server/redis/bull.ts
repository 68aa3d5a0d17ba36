/** What BullMQ's own keys begin with. */
export const BULL_PREFIX = 't2i-bull';
/** The only name that its jobs have; they hold nothing but their ids, which are those of orders. */
export const DRAW = 'draw';
