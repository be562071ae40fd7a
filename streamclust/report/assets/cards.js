// One card a cluster: its name to edit, what is told of it, and its images.
const chosen = new Set();

function drawCards(view, again) {
  const { set, clustering } = view;
  const list = byId("cards");
  const cards = clustering.cards ? sorted(view, filtered(view)) : [];
  list.replaceChildren(...cards.map((card) => cardOf(set, clustering, card, again)));
  byId("card-tools").hidden = !clustering.cards;
  const hides = clustering.cards?.length && !cards.length;
  const hint = hides ? words("no-card-fits") : hintOf(set, clustering);
  const knows = (key) => (clustering.cards ?? []).some((card) => card[key] !== null);
  byId("least-outliers").closest("label").hidden = !knows("outliers");
  for (const option of byId("sort").options) {
    option.hidden = option.disabled = (option.value === "outliers" && !knows("outliers"))
      || (option.value.includes("readable") && !knows("readability"));
  }
  byId("hint").textContent = hint;
  byId("hint").hidden = !hint;
  tellChosen(view);
}

function hintOf(set, clustering) {
  const own = "streamclust describe OUT --descriptors " + set.name;
  const options = ` --algorithm ${clustering.algorithm} --n-clusters ${clustering.k}`;
  const command = clustering.name === set.recommended ? own : own + options;
  const { name, k } = clustering;
  if (!set.clusterings.length) return words("not-clustered");
  if (!clustering.cards) return words("hint-no-cards", { name, command });
  if (!clustering.described) return words("not-described", { command });
  const n = clustering.cards.length;
  return n < k ? words("largest-only", { n, k }) : "";
}

function filtered({ set, clustering }) {
  const asked = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const least = (id) => Number(byId(id).value) / 100;
  return clustering.cards.filter((card) => {
    const { name } = current(set, clustering, card);
    const text = `${card.cluster} ${name} ${card.suggested} ${card.text}`.toLowerCase();
    return asked.every((word) => text.includes(word)) && card.share >= least("least-share")
      && (card.outliers === null || card.outliers >= least("least-outliers"));
  });
}

function sorted({ set, clustering }, cards) {
  const name = (card) => current(set, clustering, card).name;
  const orders = {
    share: (a, b) => b.size - a.size,
    small: (a, b) => a.size - b.size,
    name: (a, b) => name(a).localeCompare(name(b), LANGUAGE),
    readable: (a, b) => (b.readability ?? -1) - (a.readability ?? -1),
    unreadable: (a, b) => (a.readability ?? 2) - (b.readability ?? 2),
    outliers: (a, b) => (b.outliers ?? -1) - (a.outliers ?? -1),
    number: (a, b) => a.cluster - b.cluster,
  };
  const order = orders[byId("sort").value];
  return [...cards].sort((a, b) => order(a, b) || a.cluster - b.cluster);
}

function cardOf(set, clustering, card, again) {
  const now = current(set, clustering, card);
  const made = element("li", { class: "card", "data-cluster": card.cluster });
  made.classList.toggle("chosen", chosen.has(card.cluster));
  made.classList.toggle("outlier", now.outlier);
  made.style.setProperty("--own", clustering.colors[card.cluster]);
  made.append(
    headOf(set, clustering, card, again),
    nameField(set, clustering, card, now, again),
    element("p", {}, factsOf(set, clustering, card)),
    ...(card.text ? [element("p", {}, card.text)] : []),
    ...galleriesOf(card),
    element("div", { class: "tools" }, markButton(set, clustering, card, now, again)),
  );
  return made;
}

function headOf(set, clustering, card, again) {
  const box = element("input", { type: "checkbox", checked: chosen.has(card.cluster) });
  box.addEventListener("change", () => {
    if (box.checked) chosen.add(card.cluster);
    else chosen.delete(card.cluster);
    box.closest(".card").classList.toggle("chosen", box.checked);
    tellChosen({ set, clustering });
  });
  const label = element("label", { class: "quiet" }, box, " ", words("select"));
  return element("h4", {}, words("Cluster", card), label);
}

function nameField(set, clustering, card, now, again) {
  const field = element("input", {
    type: "text", value: now.name, maxlength: 200, placeholder: words("name-it"),
    "aria-label": words("name-of", card),
  });
  field.addEventListener("change", () => {
    const name = cleanName(field.value);
    change(set, clustering, [card], { name });
    say(words(name ? "called" : "nameless", { cluster: card.cluster, name }));
    again(false);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") field.value = current(set, clustering, card).name;
    if (event.key === "Enter") field.blur();
  });
  return field;
}

function markButton(set, clustering, card, now, again) {
  const button = element(
    "button", { type: "button", "aria-pressed": String(now.outlier), class: "mark-outliers" },
    words(now.outlier ? "marked" : "mark"),
  );
  button.setAttribute("aria-label", words("mark-of", card));
  button.addEventListener("click", () => {
    change(set, clustering, [card], { outlier: !now.outlier });
    say(words(now.outlier ? "not-marked" : "now-marked", card));
    again(false);
    document.querySelector(`.card[data-cluster="${card.cluster}"] .mark-outliers`)?.focus();
  });
  return button;
}

function factsOf(set, clustering, card) {
  const facts = [words("of-rows", {
    share: percent(card.share), size: card.size.toLocaleString(LANGUAGE),
  })];
  if (card.outliers !== null) {
    facts.push(words("share-outliers", { share: percent(card.outliers) }));
  }
  if (card.readability !== null) {
    facts.push(words("readability", { value: decimal(card.readability) }));
  }
  const { name } = current(set, clustering, card);
  const same = clustering.cards.filter(
    (other) => other !== card && name && current(set, clustering, other).name === name,
  );
  if (same.length) {
    facts.push(words("merged-with", { clusters: same.map((other) => other.cluster).join(", ") }));
  } else if (card.nearest >= 0) facts.push(words("nearest", { cluster: card.nearest }));
  return facts.join(" · ");
}

function chosenCards(clustering) {
  return (clustering.cards ?? []).filter((card) => chosen.has(card.cluster));
}

function tellChosen({ set, clustering }) {
  const cards = chosenCards(clustering);
  const rows = cards.reduce((sum, card) => sum + card.share, 0);
  byId("of-chosen").hidden = !cards.length;
  byId("n-chosen").textContent = words("n-selected", { n: cards.length, share: percent(rows) });
  byId("merge").disabled = byId("merge-name").disabled = cards.length < 2;
  const largest = [...cards].sort((a, b) => b.size - a.size)[0];
  byId("merge-name").value = cards.length > 1 ? current(set, clustering, largest).name : "";
}
