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
    ?? view.set.clusterings[0] ?? { name: words("no-clustering"), k: 0, scores: {} };
  showChoice();
  for (const line of document.querySelectorAll("tr[data-clustering]")) {
    const isOwn = line.closest(".of-set").dataset.set === view.set.name
      && line.dataset.clustering === view.clustering.name;
    if (isOwn) line.setAttribute("aria-current", "true");
    else line.removeAttribute("aria-current");
  }
  drawCurves(view);
  draw(true);
}

function showSet(name) {
  view.set = DATA.sets.find((set) => set.name === name) ?? DATA.sets[0];
  for (const part of document.querySelectorAll(".of-set")) {
    part.hidden = part.dataset.set !== view.set.name;
  }
  showIndices(view.set);
  showClustering(view.set.recommended);
}

// The selects of algorithm and number of clusters.
function showChoice() {
  const { set, clustering } = view;
  const names = [...new Set(set.clusterings.map((own) => own.algorithm))];
  options(byId("algorithm"), names.map((name) => [name, name]), clustering.algorithm);
  const own = set.clusterings.filter((other) => other.algorithm === clustering.algorithm);
  const entries = own.sort((a, b) => a.k - b.k).map((other) => {
    const notes = [
      other.name === set.recommended ? words("recommended") : "", other.cards ? "" : words("no-cards"),
    ].filter(Boolean).join(", ");
    return [other.name, other.k + (notes ? ` (${notes})` : "")];
  });
  options(byId("clustering"), entries, clustering.name);
}

// That clustering of an algorithm whose number of clusters is nearest to the one shown.
function showAlgorithm(algorithm) {
  const gap = (own) => Math.abs(own.k - view.clustering.k);
  const own = view.set.clusterings.filter((other) => other.algorithm === algorithm);
  showClustering(own.sort((a, b) => gap(a) - gap(b))[0].name);
}

function merge() {
  const cards = chosenCards(view.clustering), name = cleanName(byId("merge-name").value);
  if (!name) {
    say(words("name-merged"));
    byId("merge-name").focus();
    return;
  }
  change(view.set, view.clustering, cards, { name });
  chosen.clear();
  draw(false);
  say(words("merged", { n: cards.length, name }));
}

function markChosen() {
  const cards = chosenCards(view.clustering);
  change(view.set, view.clustering, cards, { outlier: true });
  chosen.clear();
  draw(false);
  say(words("marked-many", { n: cards.length }));
}

function save() {
  const lines = nameLines(view);
  if (!lines.length) {
    say(words("nothing-to-save"));
    return;
  }
  const file = URL.createObjectURL(new Blob([namesCsv(lines)], { type: "text/csv" }));
  element("a", { href: file, download: "names.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(file), 10_000);
  say(words("saved", { n: lines.length }));
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
  byId("algorithm").addEventListener("change", (event) => showAlgorithm(event.target.value));
  for (const id of ["filter", "least-share", "least-outliers"]) {
    byId(id).addEventListener("input", () => drawCards(view, draw));
  }
  byId("sort").addEventListener("change", () => drawCards(view, draw));
  byId("merge").addEventListener("click", merge);
  byId("merge-name").addEventListener("keydown", (event) => { if (event.key === "Enter") merge(); });
  byId("mark").addEventListener("click", markChosen);
  byId("unchoose").addEventListener("click", unchoose);
  byId("save").addEventListener("click", save);
  byId("undo").addEventListener("click", () => { undo(); draw(false); say(words("undone")); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && chosen.size && !event.defaultPrevented) unchoose();
  });
  listenToMap();
  listenToCurves();
  showOutlierImages();
  showSet(DATA.sets[0].name);
}

begin();
