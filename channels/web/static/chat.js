// The chat page: joins the log, the line and the input.

import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { Memory } from "./memory.js";
import { chooseLanguage, strings } from "./strings.js";

const SHOW_LEFT_BELOW = 200;
const TYPING_GOES_MS = 10_000;

const base = new URL(".", import.meta.url);
const embedded = window.parent !== window;
const language = chooseLanguage([new URLSearchParams(location.search).get("lang"), ...navigator.languages]);
const words = strings[language];
const names = ["form", "text", "state", "close", "send", "left", "attach", "file", "typing"];
const [form, text, state, close, send, left, attach, file, typing] = names.map((id) => document.getElementById(id));

const memory = new Memory(base.pathname);
const conversation = new Conversation(words, language, {
  onChoice: (choice) => {
    say({ choice: choice.token, label: choice.label });
    text.focus();
  },
  onEdit: (said) => write(said.text),
});
const connection = new Connection(base, memory, {
  onState: showState,
  onMessage: (message) => {
    conversation.show(message);
    if (message.from !== "you") showTyping(false);
    if (message.from !== "you") tellEmbedder("message");
  },
  onTyping: showTyping,
  onReplayed: () => {
    conversation.announce();
    tellEmbedder("replayed");
  },
  onAccepted: (id) => conversation.setState(id, "accepted"),
  onRefused: (id) => conversation.setState(id, "refused"),
  onNewSession: () => conversation.clear(),
});

function speak() {
  document.documentElement.lang = language;
  document.getElementById("welcome-title").textContent = words.welcomeTitle;
  document.getElementById("welcome-text").textContent = words.welcomeText;
  document.getElementById("label").textContent = words.label;
  document.getElementById("log").setAttribute("aria-label", words.log);
  document.getElementById("latest").textContent = words.latest;
  text.placeholder = words.placeholder;
  send.textContent = words.send;
  attach.setAttribute("aria-label", words.attach);
  attach.title = words.attach;
  close.setAttribute("aria-label", words.close);
}

function say(what) {
  const item = { id: newId(), ...what, locale: navigator.language, at: new Date().toISOString() };
  conversation.showPending(item, pendingState());
  connection.say(item);
}

function pendingState() {
  return state.dataset.state === "online" ? "pending" : "waiting";
}

function showState(name) {
  if (state.dataset.state === name) return;
  state.dataset.state = name;
  state.textContent = words[name];
  for (const item of connection?.queue ?? []) conversation.setState(item.id, pendingState());
}

// The server renews the sign every five seconds; one that it could not take away goes by itself.
function showTyping(on) {
  clearTimeout(typing.timer);
  typing.textContent = on ? words.typing : "";
  if (on) typing.timer = setTimeout(() => showTyping(false), TYPING_GOES_MS);
}

function write(draft) {
  text.value = draft;
  fit();
  text.focus();
}

// The input grows with its text, up to the height that the style sheet allows.
function fit() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + text.offsetHeight - text.clientHeight}px`;
  const count = text.maxLength - text.value.length;
  left.textContent = count < SHOW_LEFT_BELOW ? words.left(count) : "";
}

function tellEmbedder(what) {
  if (embedded) window.parent.postMessage({ frontdesk: what }, "*"); // holds nothing that anybody may not know
}

// `crypto.randomUUID` exists on https and localhost only; a trial may run on a plain address in the office.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const said = text.value.trim();
  if (said) say({ text: said });
  write("");
});

attach.addEventListener("click", () => file.click());
file.addEventListener("change", async () => {
  const [chosen] = file.files;
  file.value = "";
  if (!chosen) return;
  attach.disabled = true;
  try {
    say({ files: [await connection.upload(chosen)], names: [chosen.name] });
    left.textContent = "";
  } catch (error) {
    left.textContent = { 413: words.tooBig, 415: words.wrongType }[error.status] ?? words.notTaken;
  } finally {
    attach.disabled = false;
  }
});

text.addEventListener("input", fit);
text.addEventListener("keydown", (event) => {
  const onPhone = matchMedia("(pointer: coarse)").matches;
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || onPhone) return;
  event.preventDefault();
  form.requestSubmit();
});

if (embedded) {
  close.hidden = false;
  close.addEventListener("click", () => tellEmbedder("close"));
  addEventListener("keydown", (event) => event.key === "Escape" && tellEmbedder("close"));
  addEventListener("message", (event) => {
    if (event.source !== window.parent || event.data?.frontdesk !== "opened") return;
    conversation.follow();
    text.focus();
  });
}

speak();
for (const item of memory.pending()) conversation.showPending(item, "waiting");
connection.start();
if (!embedded && matchMedia("(pointer: fine)").matches) text.focus();
