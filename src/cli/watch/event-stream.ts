export interface ServerEvent {
  readonly id: string | null;
  readonly event: string;
  readonly data: string;
}

const MAX_PENDING = 16 * 1024 * 1024;

/** The events of a `text/event-stream` body; comments only show that the other side lives (`onSignOfLife`). */
export async function* serverEvents(body: ReadableStream<Uint8Array>, onSignOfLife: () => void): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const chunk of body) {
    onSignOfLife();
    pending += decoder.decode(chunk, { stream: true }).replaceAll('\r\n', '\n');
    let end = pending.indexOf('\n\n');
    while (end !== -1) {
      const event = parseBlock(pending.slice(0, end));
      pending = pending.slice(end + 2);
      if (event !== null) yield event;
      end = pending.indexOf('\n\n');
    }
    if (pending.length > MAX_PENDING) throw new Error('an event is too large');
  }
}

function parseBlock(block: string): ServerEvent | null {
  let id: string | null = null;
  let event = 'message';
  const data: string[] = [];
  for (const text of block.split('\n')) {
    const match = /^(id|event|data): ?(.*)$/s.exec(text);
    if (match === null) continue;
    const value = match[2] ?? '';
    if (match[1] === 'id') id = value;
    else if (match[1] === 'event') event = value;
    else data.push(value);
  }
  return data.length === 0 ? null : { id, event, data: data.join('\n') };
}
