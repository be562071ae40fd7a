// What is shown, and the buttons above it.
const view = { set: null, clustering: null };

// Draw what depends on names again; the map's choices only where the clustering is another.
function draw(isOther) {
  drawCards(view, draw);
  if (isOther) showMap(view);
  else showPicks();
}

function showClustering(name) {
  chosen.clear();
  view.clustering = view.set.clusterings.find((own) => own.name === name)
    ?? view.set.clusterings[0] ?? { name: "no clustering", k: 0 };
  for (const line of document.querySelectorAll("tr[data-clustering]")) {
    const isOwn = line.closest(".of-set").dataset.set === view.set.name
      && line.dataset.clustering === view.clustering.name;
    if (isOwn) line.setAttribute("aria-current", "true");
    else line.removeAttribute("aria-current");
  }
  draw(true);
}

function showSet(name) {
  view.set = DATA.sets.find((set) => set.name === name) ?? DATA.sets[0];
  for (const part of document.querySelectorAll(".of-set")) {
    part.hidden = part.dataset.set !== view.set.name;
  }
  const entries = view.set.clusterings.map((own) => {
    const notes = [own.name === view.set.recommended ? "recommended" : "", own.cards ? "" : "no cards"];
    const words = notes.filter(Boolean).join(", ");
    return [own.name, own.name + (words ? ` (${words})` : "")];
  });
  options(byId("clustering"), entries, view.set.recommended);
  showClustering(view.set.recommended);
}

function merge() {
  const cards = chosenCards(view.clustering), name = cleanName(byId("merge-name").value);
  if (!name) {
    say("Give the merged clusters a name.");
    byId("merge-name").focus();
    return;
  }
  change(view.set, view.clustering, cards, { name });
  chosen.clear();
  draw(false);
  say(`${cards.length} clusters are merged as ${name}.`);
}

function markChosen() {
  const cards = chosenCards(view.clustering);
  change(view.set, view.clustering, cards, { outlier: true });
  chosen.clear();
  draw(false);
  say(`${cards.length} clusters are marked as outliers.`);
}

function save() {
  const lines = nameLines(view);
  if (!lines.length) {
    say("There is nothing to save: this clustering has no cards.");
    return;
  }
  const file = URL.createObjectURL(new Blob([namesCsv(lines)], { type: "text/csv" }));
  element("a", { href: file, download: "names.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(file), 10_000);
  say(`names.csv with ${lines.length} clusters: streamclust label OUT --names names.csv`);
}

function showOutlierImages() {
  for (const image of document.querySelectorAll("img[data-row]")) {
    const source = DATA.images[image.dataset.row];
    if (source) {
      image.src = source;
      image.hidden = false;
    }
  }
}

function unchoose() {
  chosen.clear();
  drawCards(view, draw);
}

function begin() {
  options(byId("set"), DATA.sets.map((set) => [set.name, set.name]), DATA.sets[0].name);
  byId("set").addEventListener("change", (event) => showSet(event.target.value));
  byId("clustering").addEventListener("change", (event) => showClustering(event.target.value));
  byId("filter").addEventListener("input", () => drawCards(view, draw));
  byId("sort").addEventListener("change", () => drawCards(view, draw));
  byId("merge").addEventListener("click", merge);
  byId("merge-name").addEventListener("keydown", (event) => { if (event.key === "Enter") merge(); });
  byId("mark").addEventListener("click", markChosen);
  byId("unchoose").addEventListener("click", unchoose);
  byId("save").addEventListener("click", save);
  byId("undo").addEventListener("click", () => { undo(); draw(false); say("Undone."); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && chosen.size && !event.defaultPrevented) unchoose();
  });
  listenToMap();
  showOutlierImages();
  showSet(DATA.sets[0].name);
}

begin();
