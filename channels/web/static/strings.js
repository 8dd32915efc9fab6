// The words of the page, and the choice of language.

export const strings = {
  en: {
    welcomeTitle: "Hello, how can we help?",
    welcomeText: "Write your question below. You may close this page and come back later: we keep the conversation for you.",
    label: "Your message",
    placeholder: "Write a message",
    send: "Send",
    close: "Close chat",
    log: "Conversation",
    latest: "New messages",
    bot: "Assistant (automatic)",
    agent: "Our team",
    you: "You",
    connecting: "Connecting …",
    online: "Connected",
    lost: "Connection lost, trying again …",
    offline: "You are offline. We send your messages when you are back.",
    busy: "We cannot take messages at this moment. Yours are kept and sent soon.",
    pending: "Sending …",
    waiting: "Waiting to be sent",
    accepted: "Sent",
    refused: "Not sent: this message cannot be taken.",
    edit: "Edit",
    choices: "Answers to choose from",
    left: (count) => (count === 1 ? "1 character left" : `${count} characters left`),
  },
  de: {
    welcomeTitle: "Hallo, wie können wir helfen?",
    welcomeText: "Schreiben Sie Ihre Frage unten hinein. Sie können die Seite schließen und später wiederkommen: das Gespräch bleibt erhalten.",
    label: "Ihre Nachricht",
    placeholder: "Nachricht schreiben",
    send: "Senden",
    close: "Chat schließen",
    log: "Gespräch",
    latest: "Neue Nachrichten",
    bot: "Assistent (automatisch)",
    agent: "Unser Team",
    you: "Sie",
    connecting: "Verbindung wird aufgebaut …",
    online: "Verbunden",
    lost: "Verbindung unterbrochen, neuer Versuch …",
    offline: "Sie sind offline. Wir senden Ihre Nachrichten, sobald Sie wieder online sind.",
    busy: "Im Augenblick können wir nichts annehmen. Ihre Nachrichten bleiben erhalten und werden bald gesendet.",
    pending: "Wird gesendet …",
    waiting: "Wartet auf das Senden",
    accepted: "Gesendet",
    refused: "Nicht gesendet: diese Nachricht kann nicht angenommen werden.",
    edit: "Ändern",
    choices: "Antworten zur Auswahl",
    left: (count) => `noch ${count} Zeichen`,
  },
};

// The first wish that we speak: the embedding page's language, then the browser's.
export function chooseLanguage(wishes) {
  const known = wishes.filter(Boolean).map((wish) => wish.slice(0, 2).toLowerCase());
  return known.find((language) => language in strings) ?? "en";
}
