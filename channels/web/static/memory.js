// What survives a reload: the visitor's token, and each message that the server has not confirmed yet.
// Where the browser forbids storage, both live as long as the page.

export class Memory {
  constructor(prefix) {
    this.prefix = `frontdesk:${prefix}:`;
    this.storage = usableStorage();
  }

  get token() {
    return this.storage.getItem(`${this.prefix}token`);
  }

  set token(token) {
    if (token === null) this.storage.removeItem(`${this.prefix}token`);
    else this.storage.setItem(`${this.prefix}token`, token);
  }

  // One entry for each message, so that two tabs never overwrite each other's.
  keep(item) {
    this.storage.setItem(`${this.prefix}pending:${item.id}`, JSON.stringify(item));
  }

  forget(id) {
    this.storage.removeItem(`${this.prefix}pending:${id}`);
  }

  pending() {
    const start = `${this.prefix}pending:`;
    const names = Array.from({ length: this.storage.length }, (_, index) => this.storage.key(index));
    const items = names.filter((name) => name.startsWith(start)).map((name) => JSON.parse(this.storage.getItem(name)));
    return items.sort((one, other) => one.at.localeCompare(other.at));
  }
}

function usableStorage() {
  try {
    localStorage.setItem("frontdesk:try", "");
    localStorage.removeItem("frontdesk:try");
    return localStorage;
  } catch {
    return new PageStorage();
  }
}

class PageStorage {
  #items = new Map();

  get length() {
    return this.#items.size;
  }

  key(index) {
    return [...this.#items.keys()][index];
  }

  getItem(name) {
    return this.#items.get(name) ?? null;
  }

  setItem(name, value) {
    this.#items.set(name, value);
  }

  removeItem(name) {
    this.#items.delete(name);
  }
}
