// Elements with text only: what comes from data is never read as HTML.
const byId = (id) => document.getElementById(id);
const DATA = JSON.parse(byId("data").textContent);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function options(select, entries, chosen) {
  select.replaceChildren(
    ...entries.map(([value, text]) => element("option", { value, selected: value === chosen }, text)),
  );
}

// A message for the eye and for screen readers.
function say(text) {
  const message = byId("message");
  message.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { message.textContent = ""; }, 12_000);
}

function percent(share) {
  const value = 100 * share;
  return (value >= 10 || value === 0 ? value.toFixed(0) : value.toPrecision(2)) + " %";
}

// `1 point`, `2,003 points`.
function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

function pathOf(row) {
  return DATA.paths[row] ?? "row " + row;
}

function unpacked(text, Type) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return new Type(bytes.buffer);
}
