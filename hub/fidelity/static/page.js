// What the page does beyond forms: a choice shows at once, a mail is as tall as it is, calls fold away on a phone.

const NARROW = matchMedia("(max-width: 40rem)");

for (const select of document.querySelectorAll("#look select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

for (const frame of document.querySelectorAll("iframe.mail")) {
  const fit = () => {
    const inside = frame.contentDocument?.documentElement;
    if (inside) frame.height = String(Math.max(inside.scrollHeight, 40));
  };
  frame.addEventListener("load", fit);
  addEventListener("resize", fit);
  fit();
}

if (NARROW.matches) {
  for (const call of document.querySelectorAll("details.call")) call.open = false;
}

const said = document.querySelector("section.talk");
if (said && !NARROW.matches) document.querySelector("#talk input[name=text]")?.focus({ preventScroll: true });
