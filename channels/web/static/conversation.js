// What the visitor sees: the log of messages. Everything is set as text, never as markup.

const LINK = /https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}]/g;
const NEAR_THE_END_PX = 80;

export class Conversation {
  #bySeq = new Map();
  #byId = new Map();
  #following = true;
  #replaying = true;

  // `on` has onChoice(choice), onEdit(item).
  constructor(words, language, on) {
    this.words = words;
    this.language = language;
    this.on = on;
    this.log = document.getElementById("log");
    this.list = document.getElementById("messages");
    this.latest = document.getElementById("latest");
    this.log.addEventListener("scroll", () => this.#noticeScroll(), { passive: true });
    this.latest.addEventListener("click", () => this.follow());
    new ResizeObserver(() => this.#following && this.#toEnd()).observe(this.log);
  }

  // A message the server numbered. Shown once, whoever brings it how often.
  show(message) {
    if (this.#bySeq.has(message.seq)) return;
    const mine = message.from === "you" ? this.#byId.get(message.id) : undefined;
    const item = mine ?? this.#item(message);
    item.dataset.seq = message.seq;
    this.#bySeq.set(message.seq, item);
    if (message.from === "you") {
      this.#byId.set(message.id, item);
      this.setState(message.id, "accepted");
    }
    if (!mine || !this.#isInOrder(item)) this.#place(item);
    this.#tidy();
  }

  // A message of the visitor that the server has not confirmed yet.
  showPending(said, state) {
    const item = this.#item({ from: "you", text: said.text ?? said.label ?? "", files: said.names, at: said.at });
    item.said = said;
    this.#byId.set(said.id, item);
    this.#place(item);
    this.setState(said.id, state);
    this.#tidy();
  }

  setState(id, state) {
    const item = this.#byId.get(id);
    if (!item) return;
    item.dataset.state = state;
    const line = item.querySelector(".delivery");
    line.textContent = this.words[state];
    if (state === "refused" && item.said?.text) line.append(" ", this.#editButton(id, item));
  }

  follow() {
    this.#following = true;
    this.latest.hidden = true;
    this.#toEnd();
  }

  // New messages are read out from now on; what was there before is not.
  announce() {
    this.#replaying = false;
    this.log.setAttribute("aria-live", "polite");
  }

  // Forget what belongs to a conversation that is no longer ours; what is still to be sent stays.
  clear() {
    for (const [seq, item] of this.#bySeq) {
      item.remove();
      this.#bySeq.delete(seq);
    }
    this.#replaying = true;
    this.log.setAttribute("aria-live", "off");
    this.#tidy();
  }

  #item({ from, text, at, choices = [], files = [] }) {
    const item = element("li", `message ${from}`);
    const bubble = element("div", "bubble");
    bubble.append(element("span", "author", this.words[from]));
    if (text) bubble.append(this.#text(text));
    for (const name of files) bubble.append(element("p", "text file", name));
    item.append(bubble);
    if (choices.length) item.append(this.#choices(choices));
    item.append(this.#footer(from, at));
    return item;
  }

  #text(text) {
    const paragraph = element("p", "text");
    let end = 0;
    for (const match of text.matchAll(LINK)) {
      paragraph.append(text.slice(end, match.index), link(match[0]));
      end = match.index + match[0].length;
    }
    paragraph.append(text.slice(end));
    return paragraph;
  }

  #choices(choices) {
    const group = element("div", "choices");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", this.words.choices);
    for (const choice of choices) {
      const button = element("button", "choice", choice.label);
      button.type = "button";
      button.addEventListener("click", () => this.on.onChoice(choice));
      group.append(button);
    }
    return group;
  }

  #footer(from, at) {
    const footer = element("p", "footer");
    if (at) footer.append(this.#time(new Date(at)));
    if (from === "you") footer.append(element("span", "delivery"));
    return footer;
  }

  #time(moment) {
    const today = new Date().toDateString() === moment.toDateString();
    const shape = today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
    const time = element("time", "", new Intl.DateTimeFormat(this.language, shape).format(moment));
    time.dateTime = moment.toISOString();
    return time;
  }

  #editButton(id, item) {
    const button = element("button", "edit", this.words.edit);
    button.type = "button";
    button.addEventListener("click", () => {
      this.#byId.delete(id);
      item.remove();
      this.#tidy();
      this.on.onEdit(item.said);
    });
    return button;
  }

  // Before the first message with a greater number, else at the end; history comes before what is still to be sent.
  #place(item) {
    const seq = Number(item.dataset.seq ?? Infinity);
    const after = (other) => (other.dataset.seq ? Number(other.dataset.seq) > seq : this.#replaying && seq < Infinity);
    const later = [...this.list.children].find((other) => other !== item && after(other));
    this.list.insertBefore(item, later ?? null);
    if (this.#following || (item.classList.contains("you") && !item.dataset.seq)) this.follow();
    else if (!later) this.latest.hidden = false;
  }

  #isInOrder(item) {
    const numbers = [...this.list.children].filter((other) => other.dataset.seq).map((other) => Number(other.dataset.seq));
    return numbers.every((number, index) => index === 0 || numbers[index - 1] < number);
  }

  // Name the author where it changes; offer choices only until the visitor has answered.
  #tidy() {
    const items = [...this.list.children];
    const lastOwn = items.findLastIndex((item) => item.classList.contains("you"));
    items.forEach((item, index) => {
      item.classList.toggle("follows", index > 0 && items[index - 1].className.split(" ")[1] === item.className.split(" ")[1]);
      const choices = item.querySelector(".choices");
      if (choices) choices.hidden = index < lastOwn;
    });
    document.getElementById("welcome").hidden = items.length > 0;
  }

  #noticeScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.log;
    this.#following = scrollHeight - scrollTop - clientHeight < NEAR_THE_END_PX;
    if (this.#following) this.latest.hidden = true;
  }

  #toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function link(address) {
  const made = element("a", "", address);
  made.href = address;
  made.target = "_blank";
  made.rel = "noopener noreferrer nofollow";
  return made;
}
