const GRAPHEMES = new Intl.Segmenter();

/** Text of one line cut to a number of columns, with `…` where something is missing. */
export function fitWidth(text: string, columns: number): string {
  let width = 0;
  /** What fits beside the mark. */
  let short = '';
  for (const { segment } of GRAPHEMES.segment(text)) {
    width += widthOf(segment);
    if (width > columns) return columns < 1 ? '' : `${short}…`;
    if (width < columns) short += segment;
  }
  return text;
}

/** Columns of one character as a reader sees it; 0 for a mark that stands alone. */
function widthOf(grapheme: string): number {
  if (/^[\p{M}\p{Cf}]/u.test(grapheme)) return 0;
  return isWide(grapheme) ? 2 : 1;
}

/** Whether terminals draw it two columns wide: East Asian characters (UAX 11, wide and full width) and emoji, also such as only a modifier makes one. */
function isWide(grapheme: string): boolean {
  return /\p{Emoji_Presentation}|.\uFE0F|[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uA960-\uA97F\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|[\u{20000}-\u{3FFFD}]/u.test(
    grapheme,
  );
}
