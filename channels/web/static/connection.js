// The line to the server. It opens a session, keeps one socket alive, and sends what is pending: in order, one at a
// time, each with its own id until the server confirms it. Whatever breaks, the answer is the same: connect again,
// ask for what came after the last message seen, send again what is unconfirmed.

const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
const CONFIRM_WITHIN_MS = 10_000;
const PING_EVERY_MS = 25_000;
const PONG_WITHIN_MS = 8_000;
const BETWEEN_MESSAGES_MS = 250; // the server allows five a second
const BUSY_PAUSE_MS = 3_000;
const TOKEN_REFUSED = 4401;

export class Connection {
  #socket = null;
  #live = false; // the messages we missed are here: from now on we may send
  #failures = 0;
  #lastSeq = 0;
  #inFlight = null;
  #timers = {};

  // `on` has onState(word), onMessage(message), onTyping(on), onReplayed(), onAccepted(id), onRefused(id), onNewSession().
  constructor(base, memory, on) {
    this.base = base;
    this.memory = memory;
    this.on = on;
    this.queue = memory.pending();
  }

  start() {
    addEventListener("online", () => this.#retryNow());
    addEventListener("offline", () => this.#lost());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#wake());
    this.on.onState("connecting");
    this.#connect();
  }

  say(item) {
    this.queue.push(item);
    this.memory.keep(item);
    this.#sendNext();
  }

  // Takes a file before the message that names it; the answer's status says what was wrong with it.
  async upload(file) {
    const headers = { Authorization: `Bearer ${this.memory.token}`, "X-File-Name": encodeURIComponent(file.name) };
    const response = await fetch(new URL("files", this.base), { method: "POST", headers, body: file });
    if (!response.ok) throw Object.assign(new Error(`not taken: ${response.status}`), { status: response.status });
    return (await response.json()).file;
  }

  // The server has this message: seen in a confirmation, or in what another socket brought.
  settle(id) {
    const known = this.queue.length;
    this.queue = this.queue.filter((item) => item.id !== id);
    this.memory.forget(id);
    if (this.queue.length < known) this.on.onAccepted(id);
    if (this.#inFlight === id) this.#nextAfter(BETWEEN_MESSAGES_MS);
  }

  async #connect() {
    try {
      this.memory.token ?? (await this.#openSession());
    } catch (error) {
      this.#lost(error.retryAfterMs);
      return;
    }
    this.#stop("retry"); // set when the line broke while we waited for the session
    const socket = new WebSocket(Object.assign(new URL("ws", this.base), { protocol: this.base.protocol.replace("http", "ws") }));
    this.#socket?.close();
    this.#socket = socket;
    socket.onopen = () => this.#send({ type: "hello", token: this.memory.token, after: this.#lastSeq });
    socket.onmessage = (event) => socket === this.#socket && this.#receive(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.#socket && this.#closed(event.code);
    this.#after("confirm", CONFIRM_WITHIN_MS, () => this.#lost()); // until the server says ready
  }

  async #openSession() {
    const response = await fetch(new URL("sessions", this.base), { method: "POST" });
    if (!response.ok) {
      const seconds = Number(response.headers.get("Retry-After"));
      throw Object.assign(new Error(`no session: ${response.status}`), { retryAfterMs: seconds * 1_000 });
    }
    this.memory.token = (await response.json()).token;
  }

  #receive(frame) {
    this.#stop("pong");
    switch (frame.type) {
      case "ready":
        this.memory.token = frame.token;
        this.#stop("confirm");
        this.#ping();
        break;
      case "token":
        this.memory.token = frame.token;
        break;
      case "message":
        this.#lastSeq = Math.max(this.#lastSeq, frame.seq);
        this.on.onMessage(frame);
        if (frame.from === "you") this.settle(frame.id);
        break;
      case "replayed":
        this.#failures = 0;
        this.#live = true;
        this.on.onState("online");
        this.on.onReplayed();
        this.#nextAfter(0);
        break;
      case "typing":
        this.on.onTyping(frame.on);
        break;
      case "accepted":
        this.on.onState("online");
        this.settle(frame.id);
        break;
      case "try_later":
        this.on.onState("busy");
        this.#nextAfter(BUSY_PAUSE_MS);
        break;
      case "refused":
        this.#refused(frame.id);
        break;
    }
  }

  #refused(id) {
    this.queue = this.queue.filter((item) => item.id !== id);
    this.memory.forget(id);
    this.on.onRefused(id);
    if (this.#inFlight === id) this.#nextAfter(BETWEEN_MESSAGES_MS);
  }

  #sendNext() {
    if (!this.#live || this.#inFlight || this.#timers.next || !this.queue.length) return;
    const { at, names, ...said } = this.queue[0];
    this.#inFlight = said.id;
    this.#send({ type: "message", ...said });
    this.#after("confirm", CONFIRM_WITHIN_MS, () => this.#lost());
  }

  #nextAfter(pauseMs) {
    this.#inFlight = null;
    this.#stop("confirm");
    this.#after("next", pauseMs, () => this.#sendNext());
  }

  #ping() {
    this.#after("ping", PING_EVERY_MS, () => {
      this.#askForPong();
      this.#ping();
    });
  }

  #askForPong() {
    this.#send({ type: "ping" });
    this.#after("pong", PONG_WITHIN_MS, () => this.#lost());
  }

  #wake() {
    if (this.#live) this.#askForPong();
    else this.#retryNow();
  }

  #retryNow() {
    if (!this.#timers.retry) return;
    this.#stop("retry");
    this.#connect();
  }

  #closed(code) {
    if (code === TOKEN_REFUSED) {
      this.memory.token = null;
      this.#lastSeq = 0;
      this.on.onNewSession();
    }
    this.#lost();
  }

  #lost(pauseMs) {
    const socket = this.#socket;
    this.#socket = null; // its late events no longer concern us
    socket?.close();
    this.#live = false;
    this.#inFlight = null;
    Object.keys(this.#timers).forEach((name) => this.#stop(name));
    this.on.onState(navigator.onLine ? "lost" : "offline");
    const usual = RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)];
    this.#after("retry", (pauseMs || usual) * (1 + Math.random() / 5), () => this.#connect());
  }

  #send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #after(name, ms, act) {
    this.#stop(name);
    this.#timers[name] = setTimeout(() => {
      delete this.#timers[name];
      act();
    }, ms);
  }

  #stop(name) {
    clearTimeout(this.#timers[name]);
    delete this.#timers[name];
  }
}
