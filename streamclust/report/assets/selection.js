// The selected points, and their paths.
function select(test) {
  map.selected.clear();
  for (let i = 0; i < map.rows.length; i += 1) if (test(i)) map.selected.add(i);
  tellSelected();
  sayNumber();
}

function sayNumber() {
  say(words("selected", { paths: counted(map.selected.size, "path") }));
}

function tellSelected() {
  paint();
  const box = byId("selected");
  box.hidden = !map.selected.size;
  byId("selected-title").textContent =
    words("selected", { paths: counted(map.selected.size, "path") });
  byId("paths").value = [...map.selected].map((i) => pathOf(map.rows[i])).join("\n");
}

function clearSelection() {
  map.selected.clear();
  map.path = [];
  byId("pick").value = "";
  pointTo(-1);
  tellSelected();
}

function copyPaths() {
  const area = byId("paths");
  const said = () => say(words("copied", { paths: counted(map.selected.size, "path") }));
  area.focus();
  area.select();
  const byHand = () => {
    if (document.execCommand("copy")) said();
    else say(words("copy-by-hand"));
  };
  if (navigator.clipboard) navigator.clipboard.writeText(area.value).then(said, byHand);
  else byHand();
}
