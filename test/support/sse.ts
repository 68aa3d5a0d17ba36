export interface SentEvent {
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server sends
  readonly data: any;
}

/** The events of a stream of server-sent events with one line of JSON each. */
export function sseEvents(text: string): SentEvent[] {
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('event: '))
    .map((block) => {
      const [, event = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      return { event, data: JSON.parse(data) };
    });
}
