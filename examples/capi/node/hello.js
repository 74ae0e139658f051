// A small server in JavaScript: see ../README.md for how to run it.

import { ERR_TOO_LARGE, OxbridgeError, Server } from './oxbridge.js';

const PLAIN = 'text/plain; charset=utf-8';

// Requests that GET /later has taken and nobody has answered yet.
const waiting = [];

// Answers all of them and says how many there were.
function releaseAll() {
  const released = waiting.splice(0);
  for (const x of released) x.reply(200, PLAIN, 'Here it is, later.\n');
  return released.length;
}

async function echo(x) {
  let body;
  try {
    body = await x.body();
  } catch (error) {
    if (!(error instanceof OxbridgeError)) throw error;
    return x.refuse(error.status === ERR_TOO_LARGE ? 413 : 400);
  }
  let json;
  try {
    json = JSON.stringify(JSON.parse(body));
  } catch (error) {
    return x.reply(400, PLAIN, `The body is not JSON: ${error.message}.\n`);
  }
  return x.reply(200, 'application/json', json);
}

const { HOST = '127.0.0.1', PORT = '5000' } = process.env;
const server = new Server(`${HOST}:${PORT}`, {
  'GET /{$}': (x) => x.reply(200, PLAIN, 'Hello, world.\n'),
  'GET /hello/{name}': (x) => x.reply(200, PLAIN, `Hello, ${x.pathValue('name')}!\n`),
  'POST /echo': echo,
  'GET /later': (x) => waiting.push(x),
  'GET /release': (x) => x.reply(200, PLAIN, `${releaseAll()} released\n`),
});
console.error(`Serving on ${server.url}`);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    // No new requests from here on; those that wait get their answer, and all get time to end.
    server.beginStop(5000);
    releaseAll();
  });
}
await server.serve();
