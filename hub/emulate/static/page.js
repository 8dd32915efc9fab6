// Shows what the server says there is to see; everything that can be done is one call to it.

const once = document.getElementById("once");
const heal = document.getElementById("heal");
const state = document.getElementById("state");
const shown = new Map();
const PROGRESS = { on_its_way: "on its way", taken: "taken", given_up: "given up" };
const AGAIN_AFTER_MS = 1000;

async function call(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = typeof body === "string" ? body : JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  if (!answer.ok) tell((await answer.json()).error, true);
  return answer;
}

function tell(text, isBad = false) {
  state.textContent = text;
  state.classList.toggle("bad", isBad);
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function line(platform, message) {
  const item = element("li", message.from);
  item.append(element("p", "text", message.text));
  if (message.from === "person") {
    const tries = message.tries > 1 ? `, ${message.tries} tries` : "";
    const last = message.progress !== "taken" && message.last ? ` (${message.last})` : "";
    item.append(element("p", `note ${message.progress}`, PROGRESS[message.progress] + tries + last));
    return item;
  }
  if (message.buttons.length) {
    const row = element("div", "buttons");
    for (const button of message.buttons) {
      const made = element("button", "", button.label);
      made.type = "button";
      made.addEventListener("click", () =>
        call("POST", "/api/press", { platform, message: message.id, value: button.value }));
      row.append(made);
    }
    item.append(row);
  }
  return item;
}

/** Draw one part again, but only when it changed: what is focused or scrolled elsewhere stays. */
function draw(name, value, work) {
  const text = JSON.stringify(value);
  if (shown.get(name) === text) return;
  shown.set(name, text);
  work(value);
}

function drawTalk(platform, talk) {
  const section = document.querySelector(`.talk[data-platform=${platform}]`);
  const log = section.querySelector(".log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  section.querySelector(".who").textContent = talk.person;
  log.replaceChildren(...talk.messages.map((message) => line(platform, message)));
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

function drawFaults({ on, faults }) {
  for (const button of document.querySelectorAll("[data-preset]")) {
    button.setAttribute("aria-pressed", String(on.includes(button.dataset.preset)));
  }
  for (const count of document.querySelectorAll("[data-count]")) {
    const active = faults.filter((fault) => fault.platform === count.dataset.count).length;
    count.textContent = active || "";
  }
  heal.disabled = faults.length === 0;
}

function drawLedger(lines) {
  const rows = lines.toReversed().map((entry) => {
    const row = element("tr", entry.fault ? "faulty" : "");
    const arrow = entry.direction === "to_hub" ? "→ hub" : "← hub";
    const time = new Date(entry.at).toLocaleTimeString([], { hour12: false });
    for (const [name, text] of [
      ["time", time], ["", entry.platform], ["arrow", arrow], ["request", entry.request], ["fault", entry.fault ?? ""],
      ["did", entry.did ?? (entry.fault ? "nothing" : "")], ["", entry.answered], ["number", entry.took_ms],
    ]) row.append(element("td", name, text));
    row.title = entry.body;
    return row;
  });
  document.getElementById("lines").replaceChildren(...rows);
}

function drawAll(seen) {
  for (const [platform, talk] of Object.entries(seen.talks)) draw(platform, talk, () => drawTalk(platform, talk));
  draw("faults", { on: seen.on, faults: seen.faults }, drawFaults);
  draw("ledger", seen.ledger, drawLedger);
  const waiting = seen.pending.telegram;
  tell(waiting ? `connected; ${waiting} Telegram update(s) wait for the hub` : "connected");
}

async function watch() {
  let version = "";
  for (;;) {
    try {
      const answer = await fetch(`/api/state?seen=${version}`);
      const seen = await answer.json();
      if (seen.version !== version) drawAll(seen);
      version = seen.version;
    } catch {
      tell("the stand-ins do not run", true);
      version = "";
      await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
    }
  }
}

for (const section of document.querySelectorAll(".talk")) {
  const { platform } = section.dataset;
  const form = section.querySelector("form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = form.text.value.trim();
    if (!text) return;
    const log = section.querySelector(".log");
    log.scrollTop = log.scrollHeight;
    if ((await call("POST", "/api/say", { platform, text })).ok) form.reset();
  });
  form.text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  section.querySelector(".fresh").addEventListener("click", () => call("POST", "/api/person", { platform }));
}

for (const button of document.querySelectorAll("[data-preset]")) {
  button.addEventListener("click", () => {
    const fault = JSON.parse(button.dataset.fault);
    if (button.getAttribute("aria-pressed") === "true") return call("DELETE", "/control/faults", fault);
    return call("POST", "/control/faults", once.checked ? { ...fault, times: 1 } : fault);
  });
}

heal.addEventListener("click", () => call("DELETE", "/control/faults"));

for (const tab of document.querySelectorAll("[data-tab]")) {
  tab.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-tab]")) other.removeAttribute("aria-current");
    tab.setAttribute("aria-current", "true");
    for (const section of document.querySelectorAll("main > section")) {
      section.toggleAttribute("data-shown", section.dataset.platform === tab.dataset.tab);
      const log = section.querySelector(".log");
      if (log) log.scrollTop = log.scrollHeight;
    }
  });
}

watch();
