// Starts the emulator of Slack or of Twilio: npm `emulate` 0.12.2, which is pinned because this reaches into it.
// Arguments: the package's folder; JSON with service, port, seed and, for Slack, eventsUrl.
import { readFileSync, readdirSync } from "node:fs";
import { randomUUID } from "node:crypto";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [folder, json] = process.argv.slice(2);
const { service, port, seed, eventsUrl } = JSON.parse(json);
const dist = path.join(folder, "dist");

const load = (file) => import(pathToFileURL(path.join(dist, file)));

// The plugins' files are named by their hash, so Slack's is found by what stands in it.
async function slackPlugin() {
  const file = readdirSync(dist).find(
    (name) => /^dist-.*\.js$/.test(name) && readFileSync(path.join(dist, name), "utf8").includes("var slackPlugin"),
  );
  return (await load(file)).slackPlugin ?? (await load(file)).default;
}

// What Slack sends and the emulator leaves out. Without bot_id and authorizations a bot could not know its own messages
// when they come back, and without its own user id not that it was mentioned.
function asSlackSendsIt(envelope, app) {
  const { event } = envelope;
  const whole = {
    ...envelope,
    api_app_id: app.app_id,
    authorizations: [{ team_id: envelope.team_id, user_id: app.bot_user_id, is_bot: true }],
    event: { ...event, event_ts: event.event_ts ?? event.ts },
  };
  if (event.type !== "message") return [whole];
  whole.event.channel_type = event.channel?.startsWith("D") ? "im" : "channel";
  if (event.user === app.bot_user_id) {
    Object.assign(whole.event, { bot_id: app.bot_id, app_id: app.app_id });
    return [whole];
  }
  // A mention in a channel that the bot is in is told twice: as message and as app_mention, under two event ids.
  const mentioned = whole.event.channel_type === "channel" && event.text?.includes(`<@${app.bot_user_id}>`);
  return mentioned ? [whole, asMention(whole)] : [whole];
}

function asMention(whole) {
  const { channel_type: _, ...event } = whole.event;
  return { ...whole, event_id: `Ev${randomUUID().replaceAll("-", "")}`, event: { ...event, type: "app_mention" } };
}

// The emulator has no setting for the address that events go to: it is registered with its own dispatcher.
async function sendEventsTo(url, app) {
  const plugin = await slackPlugin();
  const register = plugin.register.bind(plugin);
  plugin.register = (server, store, webhooks, ...rest) => {
    webhooks.register({ url, events: ["*"], active: true, owner: "slack" });
    const dispatch = webhooks.dispatch.bind(webhooks);
    webhooks.dispatch = async (name, action, envelope, ...more) => {
      for (const delivery of asSlackSendsIt(envelope, app)) await dispatch(name, action, delivery, ...more);
    };
    return register(server, store, webhooks, ...rest);
  };
}

if (service === "slack") await sendEventsTo(eventsUrl, seed.slack.oauth_apps[0]);
const { createEmulator } = await load("api.js");
const emulator = await createEmulator({ service, port, hostname: "127.0.0.1", seed });
process.on("SIGTERM", async () => {
  await emulator.close();
  process.exit(0);
});
