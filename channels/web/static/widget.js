// The launcher that a site embeds: one button, and the chat page in a frame.
//
//   <script src="https://chat.example/web/site/widget.js" data-title="Help" async></script>
//
// A classic script, for it is loaded from another origin. It touches nothing of the page it is on: its elements live in
// a shadow tree. The account is the one in the script's own address.

(() => {
  const script = document.currentScript;
  const base = new URL(".", script.src);
  const language = (document.documentElement.lang || navigator.language).slice(0, 2).toLowerCase();
  const strings = {
    en: { open: "Open chat", close: "Close chat", title: "Chat", unread: (count) => `${count} new` },
    de: { open: "Chat öffnen", close: "Chat schließen", title: "Chat", unread: (count) => `${count} neu` },
  };
  const words = strings[language] ?? strings.en;
  const title = script.dataset.title || words.title;

  const STYLE = `
    :host { all: initial; position: fixed; inset: auto 20px 20px auto; z-index: 2147483000; color-scheme: light dark;
      font: 600 15px/1 system-ui, sans-serif; --accent: #0b57a4; --on-accent: #fff; }
    @media (prefers-color-scheme: dark) { :host { --accent: #8cc0ff; --on-accent: #06213f; } }
    .launcher { all: unset; box-sizing: border-box; position: relative; display: flex; align-items: center; gap: 10px; min-height: 52px;
      padding: 0 20px 0 16px; border-radius: 26px; background: var(--accent); color: var(--on-accent); cursor: pointer;
      box-shadow: 0 2px 6px #0003, 0 8px 24px #0003; }
    .launcher:hover { filter: brightness(1.08); }
    .launcher:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
    .launcher svg { width: 24px; height: 24px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
    .unread { position: absolute; top: -8px; right: -4px; padding: 5px 8px; border-radius: 12px; background: #b3261e; color: #fff; font-size: 12px; }
    .panel { position: fixed; right: 20px; bottom: 84px; width: 400px; height: min(660px, calc(100vh - 108px)); border-radius: 16px; overflow: hidden;
      background: Canvas; box-shadow: 0 0 0 1px #0002, 0 12px 48px #0005; }
    .panel iframe { display: block; width: 100%; height: 100%; border: 0; }
    [hidden] { display: none !important; }
    @media (max-width: 480px) {
      .panel { inset: 0; width: 100%; height: 100%; border-radius: 0; }
      .panel:not([hidden]) + .launcher { display: none; }
    }
    @media (prefers-reduced-motion: no-preference) {
      .panel:not([hidden]) { animation: rise .18s ease-out; }
      @keyframes rise { from { opacity: 0; transform: translateY(12px); } }
    }
    @media print { :host { display: none; } }`;
  const ICONS = {
    open: "M21 11.5a8.4 8.4 0 0 1-12.2 7.6L3 21l1.9-5.8A8.4 8.4 0 1 1 21 11.5z",
    close: "M6 6l12 12M18 6L6 18",
  };

  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];

  const panel = make("div", "panel", { id: "panel", role: "dialog", "aria-label": title, hidden: "" });
  const launcher = make("button", "launcher", { type: "button", "aria-controls": "panel" });
  const label = make("span", "", {});
  const unread = make("span", "unread", { role: "status", hidden: "" });
  const icon = vector();
  launcher.append(icon.svg, label, unread);
  root.append(panel, launcher);

  let frame = null;
  let counting = false; // the messages of before are not new
  let count = 0;

  function make(name, className, attributes) {
    const made = document.createElement(name);
    if (className) made.className = className;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function vector() {
    const [svg, path] = ["svg", "path"].map((name) => document.createElementNS("http://www.w3.org/2000/svg", name));
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.append(path);
    return { svg, path };
  }

  function show(open) {
    panel.hidden = !open;
    launcher.setAttribute("aria-expanded", String(open));
    label.textContent = open ? words.close : title;
    launcher.setAttribute("aria-label", open ? `${words.close}` : `${title}: ${words.open}`);
    icon.path.setAttribute("d", open ? ICONS.close : ICONS.open);
    if (open) countUnread(0);
  }

  function open() {
    show(true);
    if (frame) return greet();
    frame = make("iframe", "", { title, src: new URL(`?lang=${encodeURIComponent(language)}`, base).href });
    frame.addEventListener("load", greet);
    panel.append(frame);
  }

  // The page moves the focus into its input.
  function greet() {
    frame.focus();
    frame.contentWindow.postMessage({ frontdesk: "opened" }, base.origin);
  }

  function close() {
    show(false);
    launcher.focus();
  }

  function countUnread(next) {
    count = next;
    unread.hidden = count === 0;
    unread.textContent = count ? words.unread(count) : "";
  }

  launcher.addEventListener("click", () => (panel.hidden ? open() : close()));
  addEventListener("keydown", (event) => event.key === "Escape" && !panel.hidden && close());
  addEventListener("message", (event) => {
    if (!frame || event.source !== frame.contentWindow || event.origin !== base.origin) return;
    if (event.data?.frontdesk === "close" && !panel.hidden) close();
    if (event.data?.frontdesk === "replayed") counting = true;
    if (event.data?.frontdesk === "message" && counting && panel.hidden) countUnread(count + 1);
  });

  show(false);
  document.body ? document.body.append(host) : addEventListener("DOMContentLoaded", () => document.body.append(host));
})();
