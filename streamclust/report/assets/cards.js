// One card a cluster: its name to edit, what is told of it, and its images.
const chosen = new Set();
const HEADS = {
  typical: "typical", varied: "varied", borderline: "at the border", "by chance": "some, by chance",
};

function drawCards(view, again) {
  const { set, clustering } = view;
  const list = byId("cards");
  const cards = clustering.cards ? sorted(view, filtered(view)) : [];
  list.replaceChildren(...cards.map((card) => cardOf(set, clustering, card, again)));
  byId("card-tools").hidden = !clustering.cards;
  const hint = hintOf(set, clustering);
  byId("hint").textContent = hint;
  byId("hint").hidden = !hint;
  tellChosen(view);
}

function hintOf(set, clustering) {
  const own = "streamclust describe OUT --descriptors " + set.name;
  if (!set.clusterings.length) {
    return "This set is not clustered: run “streamclust cluster OUT” and “streamclust measure OUT”, " +
      "then “streamclust report OUT”.";
  }
  if (!clustering.cards) {
    const options = ` --algorithm ${clustering.algorithm} --n-clusters ${clustering.k}`;
    return `There are no cards of ${clustering.name}: run “${own}${options}”, then “streamclust ` +
      "report OUT”.";
  }
  if (!clustering.described) {
    return `These clusters are not described yet: “${own}” tells what sets each apart, and which ` +
      "images are typical; then run “streamclust report OUT”.";
  }
  if (clustering.cards.length < clustering.k) {
    return `The ${clustering.cards.length} largest of ${clustering.k} clusters have a card.`;
  }
  return "";
}

function filtered({ set, clustering }) {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  return clustering.cards.filter((card) => {
    const { name } = current(set, clustering, card);
    const text = `${card.cluster} ${name} ${card.suggested} ${card.text}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function sorted({ set, clustering }, cards) {
  const name = (card) => current(set, clustering, card).name;
  const orders = {
    share: (a, b) => b.size - a.size,
    small: (a, b) => a.size - b.size,
    name: (a, b) => name(a).localeCompare(name(b)),
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
  const label = element("label", { class: "quiet" }, box, " select");
  return element("h4", {}, `Cluster ${card.cluster}`, label);
}

function nameField(set, clustering, card, now, again) {
  const field = element("input", {
    type: "text", value: now.name, maxlength: 200, placeholder: "name it",
    "aria-label": `Name of cluster ${card.cluster}`,
  });
  field.addEventListener("change", () => {
    const name = cleanName(field.value);
    change(set, clustering, [card], { name });
    say(name ? `Cluster ${card.cluster} is called ${name}.` : `Cluster ${card.cluster} has no name.`);
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
    now.outlier ? "Outliers: marked" : "Mark as outliers",
  );
  button.setAttribute("aria-label", `Cluster ${card.cluster}: outliers`);
  button.addEventListener("click", () => {
    change(set, clustering, [card], { outlier: !now.outlier });
    say(`Cluster ${card.cluster} is ${now.outlier ? "no longer" : "now"} marked as outliers.`);
    again(false);
    document.querySelector(`.card[data-cluster="${card.cluster}"] .mark-outliers`)?.focus();
  });
  return button;
}

function factsOf(set, clustering, card) {
  const facts = [`${percent(card.share)} of the rows (${card.size.toLocaleString("en")})`];
  if (card.outliers !== null) facts.push(`${percent(card.outliers)} outliers`);
  const { name } = current(set, clustering, card);
  const same = clustering.cards.filter(
    (other) => other !== card && name && current(set, clustering, other).name === name,
  );
  if (same.length) facts.push("merged with " + same.map((other) => other.cluster).join(", "));
  else if (card.nearest >= 0) facts.push(`nearest: cluster ${card.nearest}`);
  return facts.join(" · ");
}

function galleriesOf(card) {
  return Object.entries(card.rows).flatMap(([kind, rows]) => {
    const shown = rows.filter((row) => DATA.images[row]);
    if (shown.length) {
      return [
        element("p", { class: "gallery-title" }, HEADS[kind] ?? kind),
        element("ul", { class: "gallery" }, ...shown.map((row) => element("li", {}, imageOf(row)))),
      ];
    }
    if (Object.keys(DATA.images).length || !rows.some((row) => DATA.paths[row])) return [];
    return [
      element("p", { class: "gallery-title" }, HEADS[kind] ?? kind),
      element("ul", { class: "gallery paths" }, ...rows.map((row) => element("li", {}, pathOf(row)))),
    ];
  });
}

function imageOf(row) {
  const path = pathOf(row);
  return element("img", { src: DATA.images[row], alt: path, title: path, loading: "lazy" });
}

function chosenCards(clustering) {
  return (clustering.cards ?? []).filter((card) => chosen.has(card.cluster));
}

function tellChosen({ set, clustering }) {
  const cards = chosenCards(clustering);
  const rows = cards.reduce((sum, card) => sum + card.share, 0);
  byId("of-chosen").hidden = !cards.length;
  byId("n-chosen").textContent = `${cards.length} selected (${percent(rows)})`;
  byId("merge").disabled = byId("merge-name").disabled = cards.length < 2;
  const largest = [...cards].sort((a, b) => b.size - a.size)[0];
  byId("merge-name").value = cards.length > 1 ? current(set, clustering, largest).name : "";
}
