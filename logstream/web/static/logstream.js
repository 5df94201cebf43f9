// A client for logstream: follows sessions over one WebSocket, reconnects, and goes on where it was.
//
//   import { LogStream } from "./logstream.js";
//   const logs = new LogStream("/ws");
//   logs.subscribe("build", {
//     reset: () => (pre.textContent = ""),
//     text: (text) => pre.append(text),
//     complete: () => (title.textContent = "done"),
//   });

/**
 * @typedef {"connecting" | "open" | "reconnecting" | "closed"} State how a connection is
 * @typedef {{ reset?: () => void, text?: (text: string) => void, progress?: (offset: number, size: number) => void,
 *             complete?: () => void, error?: (sentence: string) => void }} Callbacks
 * @typedef {{ tail?: number, wait?: boolean, cursor?: string }} Options
 * @typedef {{ sessionName: string, callbacks: Callbacks, options: Options, cursor: string | null }} Subscription
 * @typedef {{ type: "logs:data", sessionName: string, data: string, isInitial: boolean, isComplete: boolean,
 *             cursor: string, size: number }} DataMessage
 * @typedef {{ type: "logs:error", sessionName: string, error: string }} ErrorMessage
 */

const FIRST_DELAY = 250; // milliseconds until the first new attempt to connect; each further one waits twice as long,
const LAST_DELAY = 5000; // up to this
const SILENCE = 20_000; // milliseconds without a message until the server is asked whether it is there
const ANSWER = 5000; // milliseconds that it has to answer
const HANDSHAKE = 15_000; // milliseconds that it has to take a connection
const LATE = 1000; // milliseconds that a timer may be late; if more, nobody could hear an answer meanwhile

const WAKING = ["online", "pageshow"]; // events of a window after which a connection may be dead

/**
 * One connection to a server, which is opened with the first subscription and again whenever it is lost, also where nobody
 * says so: a server that is silent is asked whether it is there.
 */
export class LogStream {
  #url;
  #WebSocket;
  #fetch;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Map<string, Subscription>} */
  #subscriptions = new Map(); // by session name
  #delay = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;
  /** The timer for a look whether the connection is alive. @type {ReturnType<typeof setTimeout> | undefined} */
  #watch = undefined;
  #asked = false; // whether it is, and no answer has come yet
  #onState;
  /** @type {State} */
  #state = "closed";

  /**
   * @param {string | URL} url the WebSocket endpoint, relative to the page or not, with `?token=…` where one is needed
   * @param {{ state?: (state: State) => void, WebSocket?: typeof WebSocket, fetch?: typeof fetch }} options `state` is
   *   called with each change
   */
  constructor(url, options = {}) {
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#fetch = options.fetch ?? globalThis.fetch?.bind(globalThis);
    this.#onState = options.state ?? (() => {});
  }

  /** How the connection is: "connecting", "open", "reconnecting" or "closed". */
  get state() {
    return this.#state;
  }

  /**
   * Follow a session, instead of an earlier subscription to it. What is called, each where it is given:
   *
   * - `reset()`: the text so far is void. First of all, and when the log was rewritten.
   * - `text(text)`: some more of it.
   * - `progress(offset, size)`: bytes that are here, of so many there are; after each `text`.
   * - `complete()`: that was all. The subscription is over.
   * - `error(sentence)`: the server cannot serve this session, or does not let this page connect. The subscription is
   *   over.
   *
   * @param {string} sessionName
   * @param {Callbacks} callbacks
   * @param {Options} options begin with so many last lines, wait for
   *   a log that is not there yet, go on after the `cursor` of an earlier subscription
   * @returns {{ readonly cursor: string | null, unsubscribe: () => void }}
   */
  subscribe(sessionName, callbacks, options = {}) {
    /** @type {Subscription} */
    const subscription = { sessionName, callbacks, options, cursor: options.cursor ?? null };
    this.#subscriptions.set(sessionName, subscription);
    if (this.#socket === null && this.#timer === undefined) this.#connect();
    else if (this.#state === "open") this.#ask(subscription);
    return {
      get cursor() {
        return subscription.cursor;
      },
      unsubscribe: () => {
        if (this.#subscriptions.get(sessionName) !== subscription) return;
        this.#subscriptions.delete(sessionName);
        if (this.#state === "open") this.#send({ type: "unsubscribe:logs", sessionName });
      },
    };
  }

  /** End the connection and all subscriptions. */
  close() {
    this.#subscriptions.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#letGo();
    for (const kind of WAKING) globalThis.removeEventListener?.(kind, this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.#setState("closed");
  }

  #connect() {
    this.#timer = undefined;
    if (this.#state === "closed") {
      for (const kind of WAKING) globalThis.addEventListener?.(kind, this.#wake);
      globalThis.document?.addEventListener("visibilitychange", this.#wake);
    }
    this.#setState(this.#state === "closed" ? "connecting" : "reconnecting");
    const socket = new this.#WebSocket(this.#url);
    this.#socket = socket;
    this.#watch = setTimeout(() => this.#reconnect(), HANDSHAKE);
    let opened = false;
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      opened = true;
      this.#heard();
      this.#setState("open");
      for (const subscription of this.#subscriptions.values()) this.#ask(subscription);
    };
    socket.onmessage = (event) => {
      if (socket !== this.#socket) return;
      this.#heard();
      this.#receive(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (socket !== this.#socket) return;
      this.#letGo();
      this.#setState("reconnecting");
      this.#delay = Math.min(LAST_DELAY, Math.max(FIRST_DELAY, 2 * this.#delay));
      this.#timer = setTimeout(() => this.#connect(), this.#delay * (0.5 + Math.random() / 2)); // not all at once
      if (!opened) this.#askWhy();
    };
  }

  /** A WebSocket does not say why it is refused: an ordinary request to its address does. Where it is, all is over. */
  async #askWhy() {
    const address = new URL(this.#url);
    address.protocol = address.protocol.replace("ws", "http");
    let sentence = "The server lets nobody connect who is not logged in.";
    try {
      const answer = await this.#fetch(address, { cache: "no-store", redirect: "manual" });
      const isRefused = answer.status === 401 || answer.status === 403;
      if (!isRefused && answer.type !== "opaqueredirect") return;
      const isSaid = answer.headers.get("Content-Type")?.startsWith("text/plain");
      if (isRefused) sentence = isSaid ? (await answer.text()).trim() : `The server refuses: ${answer.statusText}.`;
    } catch {
      return; // there is no server, or none that tells a page of another origin anything
    }
    if (this.#state !== "reconnecting") return;
    const subscriptions = [...this.#subscriptions.values()];
    this.close();
    for (const { callbacks } of subscriptions) callbacks.error?.(sentence);
  }

  /** There is a connection no more. */
  #letGo() {
    clearTimeout(this.#watch);
    this.#asked = false;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** Connect anew: the connection that there is may look open, and is dead. */
  #reconnect() {
    this.#letGo();
    this.#connect();
  }

  /** The connection is alive: look again when nothing has come for a while. */
  #heard() {
    this.#asked = false;
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#ping(), SILENCE);
  }

  /** Ask whether the connection is alive. Whatever comes is an answer, an error too, as of a server that knows no pings. */
  #ping() {
    clearTimeout(this.#watch);
    this.#asked = true;
    this.#send({ type: "ping" });
    const asked = performance.now();
    this.#watch = setTimeout(() => {
      if (performance.now() - asked > ANSWER + LATE) this.#ping();
      else this.#reconnect();
    }, ANSWER);
  }

  /** The page is back, or the network is: much may have happened that nobody was told of. */
  #wake = () => {
    if (globalThis.document?.visibilityState === "hidden") return;
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#connect();
    } else if (this.#state === "open" && !this.#asked) {
      this.#ping();
    }
  };

  /** @param {Subscription} subscription */
  #ask({ sessionName, options, cursor }) {
    /** @type {Record<string, unknown>} */
    const command = { type: "subscribe:logs", sessionName, cursor: cursor ?? true };
    if (cursor === null && options.tail !== undefined) command.tail = options.tail;
    // A log that was there may be gone for a moment, while it is rotated.
    if (options.wait || cursor !== null) command.wait = true;
    this.#send(command);
  }

  /** @param {Record<string, unknown>} command */
  #send(command) {
    this.#socket?.send(JSON.stringify(command));
  }

  /** @param {DataMessage | ErrorMessage} message */
  #receive(message) {
    const subscription = this.#subscriptions.get(message.sessionName);
    if (subscription === undefined) return;
    // What an earlier subscription to the same session still had on its way is not for this one.
    if (message.type === "logs:data" && subscription.cursor === null && !message.isInitial) return;
    const { callbacks } = subscription;
    if (message.type === "logs:error") {
      this.#subscriptions.delete(message.sessionName);
      callbacks.error?.(message.error);
      return;
    }
    this.#delay = 0;
    subscription.cursor = message.cursor;
    if (message.isComplete) this.#subscriptions.delete(message.sessionName);
    if (message.isInitial) callbacks.reset?.();
    if (message.data !== "") callbacks.text?.(message.data);
    callbacks.progress?.(parseInt(message.cursor, 10), message.size);
    if (message.isComplete) callbacks.complete?.();
  }

  /** @param {State} state */
  #setState(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#onState(state);
  }
}
