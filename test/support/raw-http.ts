import { once } from 'node:events';
import { connect } from 'node:net';

/** What is answered on a connection of its own to some bytes, until the server closes it. */
export async function answerTo(url: string, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString('latin1'))).on('error', () => {});
  await once(socket, 'connect');
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}
