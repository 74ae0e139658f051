// liboxbridge for JavaScript, by koffi: as much of it as hello.js needs.
//
// The library has threads of its own, and JavaScript has one that must never wait. So the library
// never calls JavaScript: exchanges wait in a queue, and oxb_server_next.async waits for them on a
// worker thread and brings them home, many at a time. For the same reason nothing here waits for a
// client: a body is read, and a long answer written, when an event says that a piece of it can be.

import { promisify } from 'node:util';
import koffi from 'koffi';

const OK = 0;
const ERR_STOPPED = -19;
const EVENT_REQUEST = 1;
const EVENT_READABLE = 2;
const EVENT_WRITABLE = 4;
const EVENT_GONE = 8;
const ABI = 1;
const BATCH = 64;
const CONTENT_TYPE = Buffer.from('Content-Type');
// No more than what the library takes of an answer without waiting for the client.
const CHUNK = 32 * 1024;

koffi.opaque('oxb_config');
koffi.opaque('oxb_server');
koffi.opaque('oxb_error');
koffi.struct('oxb_bytes', { data: 'void *', len: 'size_t' });
const Event = koffi.struct('oxb_event', {
  exchange: 'uint64_t',
  // A `void *` that only we read: it carries a number, and is declared as one.
  user_data: 'uintptr_t',
  kinds: 'uint32_t',
  reserved: 'uint32_t',
});

const library = koffi.load(process.env.OXBRIDGE_LIBRARY ?? 'liboxbridge.so.1');
const oxb = Object.fromEntries(
  [
    'int32_t oxb_abi_check(uint32_t abi)',
    'const char *oxb_strerror(int32_t status)',
    'const char *oxb_error_message(oxb_error *error)',
    'void oxb_error_free(oxb_error *error)',
    'int32_t oxb_config_new(_Out_ oxb_config **config)',
    'int32_t oxb_config_listen(oxb_config *config, const char *address, _Out_ oxb_error **error)',
    'int32_t oxb_config_handle_queue(oxb_config *config, const char *pattern, uintptr_t user_data, ' +
      'void *drop, _Out_ oxb_error **error)',
    'int32_t oxb_server_start(oxb_config *config, _Out_ oxb_server **server, _Out_ oxb_error **error)',
    'int32_t oxb_server_url(oxb_server *server, _Out_ oxb_bytes *url)',
    'int32_t oxb_server_begin_stop(oxb_server *server, uint64_t grace_ms)',
    'void oxb_server_free(oxb_server *server)',
    'int32_t oxb_server_next(oxb_server *server, _Out_ void *events, size_t capacity, ' +
      'int64_t timeout_ms, _Out_ size_t *count)',
    'int32_t oxb_request_path_value(uint64_t x, oxb_bytes name, _Out_ oxb_bytes *value)',
    'int32_t oxb_request_read(uint64_t x, _Out_ void *buffer, size_t capacity, _Out_ size_t *count)',
    'int32_t oxb_exchange_notify(uint64_t x, uint32_t kinds, void *callback, uintptr_t user_data, ' +
      'void *drop)',
    'int32_t oxb_response_set_status(uint64_t x, uint16_t status)',
    'int32_t oxb_response_set_header(uint64_t x, oxb_bytes name, oxb_bytes value)',
    'int32_t oxb_response_write(uint64_t x, const void *data, size_t len)',
    'int32_t oxb_exchange_end(uint64_t x)',
    'int32_t oxb_exchange_reply(uint64_t x, uint16_t status, const char *type, oxb_bytes body)',
    'int32_t oxb_exchange_refuse(uint64_t x, uint16_t status)',
    'int32_t oxb_exchange_abort(uint64_t x)',
  ].map((prototype) => [/(oxb_\w+)\(/.exec(prototype)[1], library.func(prototype)]),
);
const next = promisify(oxb.oxb_server_next.async);

export const ERR_GONE = -5;
export const ERR_TOO_LARGE = -8;

/** What a call that failed has to say. `status` is one of the OXB_ERR_ constants of oxbridge.h. */
export class OxbridgeError extends Error {
  constructor(status, message = oxb.oxb_strerror(status)) {
    super(message);
    this.status = status;
  }
}

function check(status, detail) {
  if (status === OK) return;
  const error = detail?.[0];
  if (!error) throw new OxbridgeError(status);
  const message = oxb.oxb_error_message(error);
  oxb.oxb_error_free(error);
  throw new OxbridgeError(status, message);
}

const lent = (buffer) => ({ data: buffer, len: buffer.length });
const text = ({ data, len }) => (len ? koffi.decode.string(data, Number(len)) : '');

/** One request and the answer that it is owed, once, at any later tick. */
class Exchange {
  #handle;
  #server;

  constructor(handle, server) {
    this.#handle = handle;
    this.#server = server;
  }

  pathValue(name) {
    const value = {};
    check(oxb.oxb_request_path_value(this.#handle, lent(Buffer.from(name)), value));
    return text(value);
  }

  /** The whole body, at most `limit` bytes of it. */
  async body(limit = 1 << 20) {
    const chunks = [];
    const chunk = Buffer.allocUnsafe(CHUNK);
    const count = [0];
    for (let size = 0; size <= limit; ) {
      await this.#server.when(this.#handle, EVENT_READABLE);
      check(oxb.oxb_request_read(this.#handle, chunk, CHUNK, count));
      if (count[0] === 0) return Buffer.concat(chunks);
      size += count[0];
      chunks.push(Buffer.from(chunk.subarray(0, count[0])));
    }
    throw new OxbridgeError(ERR_TOO_LARGE);
  }

  /** Answers. It rejects if the client leaves before it has all of a long answer. */
  async reply(status, type, body) {
    const data = Buffer.from(body);
    if (data.length <= CHUNK) {
      // What can fail is that the client has gone, and then there is nobody left to tell.
      oxb.oxb_exchange_reply(this.#handle, status, type, lent(data));
      return;
    }
    check(oxb.oxb_response_set_status(this.#handle, status));
    check(oxb.oxb_response_set_header(this.#handle, lent(CONTENT_TYPE), lent(Buffer.from(type))));
    for (let at = 0; at < data.length; at += CHUNK) {
      await this.#server.when(this.#handle, EVENT_WRITABLE);
      const chunk = data.subarray(at, at + CHUNK);
      check(oxb.oxb_response_write(this.#handle, chunk, chunk.length));
    }
    check(oxb.oxb_exchange_end(this.#handle));
  }

  refuse(status) {
    oxb.oxb_exchange_refuse(this.#handle, status);
  }

  abort() {
    oxb.oxb_exchange_abort(this.#handle);
  }
}

export class Server {
  #server;
  #handlers;
  #notices = new Map(); // handle of an exchange -> what to call when something has come about

  /** `routes` has a function of an Exchange for each pattern. */
  constructor(address, routes) {
    const config = [null];
    const server = [null];
    const error = [null];
    this.#handlers = Object.values(routes);
    check(oxb.oxb_abi_check(ABI));
    check(oxb.oxb_config_new(config));
    check(oxb.oxb_config_listen(config[0], address, error), error);
    Object.keys(routes).forEach((pattern, index) => {
      check(oxb.oxb_config_handle_queue(config[0], pattern, index, null, error), error);
    });
    check(oxb.oxb_server_start(config[0], server, error), error);
    this.#server = server[0];
  }

  get url() {
    const url = {};
    check(oxb.oxb_server_url(this.#server, url));
    return text(url);
  }

  /** Hands exchanges to their handlers until the server has stopped, then frees it. */
  async serve() {
    const events = Buffer.alloc(koffi.sizeof(Event) * BATCH);
    const count = [0];
    for (;;) {
      const status = await next(this.#server, events, BATCH, -1, count);
      if (status === ERR_STOPPED) break;
      check(status);
      if (count[0] === 0) continue;
      for (const event of koffi.decode(events, Event, count[0])) this.#take(event);
    }
    oxb.oxb_server_free(this.#server);
  }

  /** Takes no more requests and gives those that run some time to end. serve() returns then. */
  beginStop(graceMs) {
    check(oxb.oxb_server_begin_stop(this.#server, graceMs));
  }

  /** Resolves when one of these has come about for the exchange, or its client has gone. */
  when(handle, kinds) {
    return new Promise((resolve) => {
      this.#notices.set(String(handle), resolve);
      check(oxb.oxb_exchange_notify(handle, kinds | EVENT_GONE, null, 0, null));
    });
  }

  async #take({ exchange, user_data: index, kinds }) {
    if (!(kinds & EVENT_REQUEST)) {
      const resolve = this.#notices.get(String(exchange));
      this.#notices.delete(String(exchange));
      resolve?.();
      return;
    }
    const x = new Exchange(exchange, this);
    try {
      await this.#handlers[Number(index)](x);
    } catch (error) {
      if (error.status !== ERR_GONE) console.error(error);
      x.abort();
    }
  }
}
