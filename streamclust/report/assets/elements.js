// Elements with text only: what comes from data is never read as HTML.
const byId = (id) => document.getElementById(id);
const DATA = JSON.parse(byId("data").textContent);
const LANGUAGE = DATA.language;
const PLURAL_RULES = new Intl.PluralRules(LANGUAGE);

// The page's words, with values in their braces.
function words(key, values = {}) {
  return DATA.texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

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
  const value = 100 * share, isSmall = value > 0 && value < 10;
  const digits = isSmall ? { minimumSignificantDigits: 2, maximumSignificantDigits: 2 }
    : { maximumFractionDigits: 0 };
  return value.toLocaleString(LANGUAGE, digits) + " %";
}

function decimal(value) {
  return value.toLocaleString(LANGUAGE, { maximumSignificantDigits: 3 });
}

// `1 path`, `2,003 paths`.
function counted(count, noun) {
  const forms = DATA.plurals[noun], which = { one: 0, few: 1, many: 2 };
  const form = forms[which[PLURAL_RULES.select(count)] ?? forms.length - 1];
  return `${count.toLocaleString(LANGUAGE)} ${form}`;
}

function pathOf(row) {
  return DATA.paths[row] ?? words("row", { row });
}

function unpacked(text, Type) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return new Type(bytes.buffer);
}
