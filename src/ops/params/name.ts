/** What a project, a model or a run may be called: it also names folders, on any system. */
export const NAME = {
  pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
  expected: 'letters, digits, dots, dashes and underscores, a letter or a digit first',
};
