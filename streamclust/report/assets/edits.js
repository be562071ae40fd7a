// What the person changed: names and marks by set, clustering and cluster, with undo, kept in the
// browser where it allows that.
const KEY = "streamclust:" + DATA.mark;
const history = [];
let edits = stored();

function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY));
    return found && typeof found === "object" && !Array.isArray(found) ? found : {};
  } catch {
    return {};
  }
}

function store() {
  try {
    localStorage.setItem(KEY, JSON.stringify(edits));
  } catch {
    // Without a store, names last as long as the page: saving them is what counts.
  }
}

function editKey(set, clustering) {
  return JSON.stringify([set.name, clustering.name]);
}

// The name and mark of a card's cluster as they are now.
function current(set, clustering, card) {
  const own = edits[editKey(set, clustering)]?.[card.cluster] ?? {};
  return {
    name: typeof own.name === "string" ? own.name : card.name || card.suggested,
    outlier: typeof own.outlier === "boolean" ? own.outlier : card.marked,
  };
}

// Change cards of a clustering at once: one step to undo.
function change(set, clustering, cards, changes) {
  history.push(JSON.stringify(edits));
  const key = editKey(set, clustering);
  edits = { ...edits, [key]: { ...edits[key] } };
  for (const card of cards) {
    edits[key][card.cluster] = { ...current(set, clustering, card), ...changes };
  }
  store();
  byId("undo").disabled = false;
}

function undo() {
  if (!history.length) return;
  edits = JSON.parse(history.pop());
  store();
  byId("undo").disabled = !history.length;
}

// Lines of names.csv: of all clusterings that were changed; of `shown` where none was.
function nameLines(shown) {
  const all = DATA.sets.flatMap((set) => set.clusterings.map((clustering) => ({ set, clustering })));
  const withCards = all.filter(({ clustering }) => clustering.cards);
  const changed = withCards.filter(({ set, clustering }) => edits[editKey(set, clustering)]);
  return (changed.length ? changed : shown.clustering.cards ? [shown] : []).flatMap(
    ({ set, clustering }) => clustering.cards.map((card) => ({
      set: set.name, clustering: clustering.name, cluster: card.cluster, mark: clustering.mark,
      ...current(set, clustering, card),
    })),
  );
}
