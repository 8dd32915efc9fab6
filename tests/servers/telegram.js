// Starts an emulator of the Bot API: npm `telegram-test-api` 4.2.1, which is pinned because its routes are replaced here.
// Arguments: the package's folder; JSON with port and token.
const path = require("node:path");

const [folder, json] = process.argv.slice(2);
const { port } = JSON.parse(json);
const SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token";
const LOOK_AGAIN_MS = 20;
const TRY_AGAIN_MS = 200;
const MOST_TRIES = 150;

const given = (request) => ({ ...request.query, ...request.body });
const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));
const answered = [];
let deliveries = Promise.resolve();

// The emulator answers getUpdates at once and takes no notice of `offset`. Telegram holds the request while there is
// nothing to tell, and tells an update again until a higher offset confirms it.
async function holdUpdates(request, response, server) {
  const { offset, timeout } = given(request);
  server.confirm(request.params.token, Number(offset ?? 0));
  const until = Date.now() + 1000 * Number(timeout ?? 0);
  let updates = server.getUpdates(request.params.token);
  while (updates.length === 0 && Date.now() < until && !response.destroyed) {
    await pause(LOOK_AGAIN_MS);
    updates = server.getUpdates(request.params.token);
  }
  response.json({ ok: true, result: updates });
}

// The emulator's own answer has a null result where the Bot API says true, and forgets which presses were answered.
function noteAnswer(request, response) {
  answered.push(given(request).callback_query_id);
  response.json({ ok: true, result: true });
}

// The emulator's own answer has a null result, and what was written before the webhook was set is never delivered.
function setWebhook(request, response, server) {
  const { token } = request.params;
  server.setWebhook(given(request), token);
  const waiting = server.storage.userMessages.filter((update) => update.botToken === token);
  server.confirm(token, Infinity);
  for (const update of waiting) server.deliverInTurn(update);
  response.json({ ok: true, result: true });
}

// Routes are read from these modules when the server is made, so they are replaced before.
const ROUTES = { getUpdates: holdUpdates, answerCallbackQuery: noteAnswer, setWebhook };
for (const [method, handle] of Object.entries(ROUTES)) {
  const module = require(path.join(folder, "lib", "routes", "bot", method));
  module[method] = (app, server) =>
    app.all(`/bot:token/${method}`, (request, response, next) =>
      Promise.resolve(handle(request, response, server)).catch(next),
    );
}

const TelegramServer = require(folder);

// The emulator does not send the webhook's secret, and gives up at once where Telegram repeats until it is answered 2xx.
async function deliver(webhook, update) {
  const secret = webhook.secret_token ? { [SECRET_HEADER]: webhook.secret_token } : {};
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const response = await fetch(webhook.url, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...secret },
      body: JSON.stringify(Emulator.whole(update)),
    }).catch(() => ({ ok: false }));
    if (response.ok) return;
    await pause(TRY_AGAIN_MS);
  }
  console.error(`update ${update.updateId} was given up`);
}

class Emulator extends TelegramServer {
  confirm(token, offset) {
    this.storage.userMessages = this.storage.userMessages.filter(
      (update) => update.botToken !== token || update.updateId >= offset,
    );
  }

  getUpdates(token) {
    return this.storage.userMessages.filter((update) => update.botToken === token).map(Emulator.whole);
  }

  // The emulator counts on only when a webhook was answered, so that two messages in a row get the same ids, and lets
  // deliveries overtake each other.
  async addUserUpdate(update) {
    const numbered = { ...update, updateId: this.updateId++, messageId: this.messageId++ };
    if (this.webhooks[update.botToken] === undefined) this.storage.userMessages.push(numbered);
    else this.deliverInTurn(numbered);
  }

  deliverInTurn(update) {
    deliveries = deliveries.then(() => deliver(this.webhooks[update.botToken], update));
  }

  // An update as the Bot API writes it: the emulator repeats the bot's token inside the message.
  static whole(update) {
    const told = TelegramServer.formatUpdate(update);
    if (told.callback_query) return { ...told, callback_query: { ...told.callback_query, chat_instance: "1" } };
    const { botToken: _, ...message } = told.message;
    return { ...told, message };
  }
}

const server = new Emulator({ port, host: "127.0.0.1", storeTimeout: 3600 });
// The emulator ends its routes with one that refuses everything else, so ours goes before it.
server.webServer.get("/answeredPresses", (_request, response) => response.json(answered));
const { stack } = server.webServer._router;
stack.splice(stack.findIndex((layer) => layer.name === "sendResult") + 1, 0, stack.pop());

server.start();
process.on("SIGTERM", async () => {
  await server.stop();
  process.exit(0);
});
