// The map: a sample of the rows, to look at and to select from.
const NEAR = 12;
const NOISE = "#8b8f96";
const map = { view: null, plot: null, at: null, rows: null, labels: null, x: null, y: null,
  selected: new Set(), path: [], focus: -1, turn: [0.6, 0.4], drag: null };

function showMap(view) {
  map.view = view;
  map.rows = unpacked(view.set.rows, Uint32Array);
  map.labels = view.clustering.labels ? unpacked(view.clustering.labels, Int32Array) : null;
  map.selected.clear();
  map.focus = -1;
  const named = view.set.plots.map((plot) => [plot.name, plotName(plot)]);
  const kept = view.set.plots.some((plot) => plot.name === byId("plot").value);
  options(byId("plot"), named, kept ? byId("plot").value : named[0][0]);
  showPicks();
  showPlot();
}

function plotName(plot) {
  return plot.name === "components" ? "first two components" : plot.name;
}

function showPicks() {
  const { set, clustering } = map.view;
  const entries = (clustering.cards ?? []).map((card) => {
    const { name } = current(set, clustering, card);
    return [String(card.cluster), `${card.cluster}${name ? ": " + name : ""}`.slice(0, 60)];
  });
  options(byId("pick"), [["", "none"], ...entries], "");
}

function showPlot() {
  const { set } = map.view;
  map.plot = set.plots.find((plot) => plot.name === byId("plot").value) ?? set.plots[0];
  map.at = unpacked(map.plot.at, Uint16Array);
  const beyond = map.plot.beyond ? ` ${map.plot.beyond} lie beyond the edges.` : "";
  byId("map-note").textContent =
    `${counted(set.points, "row")} drawn by chance, by ${map.plot.axis}, coloured by ` +
    `cluster.${beyond}`;
  setTool();
  place();
  tellSelected();
}

// Positions on the canvas; those in space are turned, then flattened.
function place() {
  const canvas = byId("canvas"), narrow = canvas.clientWidth < 600;
  canvas.width = Math.max(200, Math.round(canvas.clientWidth * devicePixelRatio));
  canvas.height = Math.round(canvas.width * (narrow ? 1 : 0.6));
  const n = map.rows.length, d = map.plot.dimensions, margin = 14 * devicePixelRatio;
  map.x = new Float32Array(n);
  map.y = new Float32Array(n);
  const [sinA, cosA] = [Math.sin(map.turn[0]), Math.cos(map.turn[0])];
  const [sinB, cosB] = [Math.sin(map.turn[1]), Math.cos(map.turn[1])];
  for (let i = 0; i < n; i += 1) {
    let u = map.at[d * i] / 65535, v = map.at[d * i + 1] / 65535;
    if (d === 3) {
      const [a, b, c] = [u - 0.5, v - 0.5, map.at[d * i + 2] / 65535 - 0.5];
      const deep = cosA * b - sinA * a;
      u = 0.5 + (cosA * a + sinA * b) / 1.75;
      v = 0.5 + (cosB * c + sinB * deep) / 1.75;
    }
    map.x[i] = margin + u * (canvas.width - 2 * margin);
    map.y[i] = margin + (1 - v) * (canvas.height - 2 * margin);
  }
  paint();
}

function colorOf(i) {
  const label = map.labels ? map.labels[i] : -1;
  return label < 0 ? NOISE : map.view.clustering.colors[label];
}

function paint() {
  const canvas = byId("canvas"), context = canvas.getContext("2d");
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const size = (map.rows.length > 2500 ? 2.2 : 2.8) * devicePixelRatio;
  context.globalAlpha = map.selected.size ? 0.25 : 0.8;
  for (let i = 0; i < map.rows.length; i += 1) if (!map.selected.has(i)) dot(context, i, size);
  context.globalAlpha = 1;
  for (const i of map.selected) dot(context, i, size + 0.8);
  context.strokeStyle = ink;
  if (map.focus >= 0) {
    context.lineWidth = 2;
    context.beginPath();
    context.arc(map.x[map.focus], map.y[map.focus], 7 * devicePixelRatio, 0, 2 * Math.PI);
    context.stroke();
  }
  if (map.path.length > 1) {
    context.lineWidth = 1.5;
    context.setLineDash([5, 4]);
    context.beginPath();
    for (const [x, y] of map.path) context.lineTo(x, y);
    context.closePath();
    context.stroke();
    context.setLineDash([]);
  }
}

function dot(context, i, size) {
  context.fillStyle = colorOf(i);
  context.beginPath();
  context.arc(map.x[i], map.y[i], size, 0, 2 * Math.PI);
  context.fill();
}

function nearest(x, y, within) {
  let found = -1, least = (within * devicePixelRatio) ** 2;
  for (let i = 0; i < map.rows.length; i += 1) {
    const gap = (map.x[i] - x) ** 2 + (map.y[i] - y) ** 2;
    if (gap < least) [found, least] = [i, gap];
  }
  return found;
}

// The tip beside a point: its image where the page holds it, its path, its cluster.
function pointTo(i) {
  map.focus = i;
  paint();
  const tip = byId("tip");
  tip.hidden = i < 0;
  if (i < 0) return "";
  const row = map.rows[i], words = `${pathOf(row)} · ${clusterWords(i)}`;
  tip.replaceChildren(
    ...(DATA.images[row] ? [element("img", { src: DATA.images[row], alt: "" })] : []), words,
  );
  const canvas = byId("canvas"), scale = canvas.clientWidth / canvas.width;
  const left = scale * map.x[i] + 14, width = tip.offsetWidth;
  const top = Math.min(scale * map.y[i] + 14, canvas.clientHeight - tip.offsetHeight);
  tip.style.left = `${left + width > canvas.clientWidth ? Math.max(0, left - width - 28) : left}px`;
  tip.style.top = `${Math.max(0, top)}px`;
  return words;
}

function clusterWords(i) {
  const { set, clustering } = map.view;
  if (!map.labels) return clustering.name;
  const card = clustering.cards.find((own) => own.cluster === map.labels[i]);
  if (!card) return map.labels[i] < 0 ? "in no cluster" : `cluster ${map.labels[i]}`;
  const { name } = current(set, clustering, card);
  return `cluster ${card.cluster}${name ? ", " + name : ""}`;
}

function select(test) {
  map.selected.clear();
  for (let i = 0; i < map.rows.length; i += 1) if (test(i)) map.selected.add(i);
  tellSelected();
  sayNumber();
}

function sayNumber() {
  say(`Selected: ${counted(map.selected.size, "point")}.`);
}

function tellSelected() {
  paint();
  const box = byId("selected");
  box.hidden = !map.selected.size;
  byId("selected-title").textContent =
    `Selected: ${counted(map.selected.size, "path")}`;
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
  const said = () => say(`Copied: ${counted(map.selected.size, "path")}.`);
  area.focus();
  area.select();
  const byHand = () => {
    if (document.execCommand("copy")) said();
    else say("Copying is not allowed here: the paths are selected, press Ctrl+C.");
  };
  if (navigator.clipboard) navigator.clipboard.writeText(area.value).then(said, byHand);
  else byHand();
}

function inside(x, y, polygon) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
    const [[xi, yi], [xj, yj]] = [polygon[i], polygon[j]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
  }
  return odd;
}

const tool = () => document.querySelector('input[name="tool"]:checked').value;

function setTool() {
  byId("canvas").classList.toggle("grab", tool() !== "look" || map.plot.dimensions === 3);
}

function placeOf(event) {
  const canvas = byId("canvas"), box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

function pointerDown(event) {
  const at = placeOf(event);
  map.drag = { from: at, last: at };
  if (tool() !== "look" || map.plot.dimensions === 3) byId("canvas").setPointerCapture(event.pointerId);
  if (tool() === "look") pointTo(nearest(...at, NEAR));
}

function pointerMove(event) {
  const at = placeOf(event);
  if (!map.drag || tool() === "look") {
    if (map.drag && map.plot.dimensions === 3) {
      turn((at[0] - map.drag.last[0]) / 150, (at[1] - map.drag.last[1]) / 150);
      map.drag.last = at;
      return;
    }
    pointTo(nearest(...at, NEAR));
    return;
  }
  const [x, y] = map.drag.from;
  if (tool() === "rectangle") map.path = [[x, y], [at[0], y], at, [x, at[1]]];
  else map.path.push(at);
  paint();
}

function pointerUp() {
  if (map.drag && map.path.length > 2) {
    const polygon = map.path;
    map.path = [];
    byId("pick").value = "";
    select((i) => inside(map.x[i], map.y[i], polygon));
  }
  map.path = [];
  map.drag = null;
}

function turn(a, b) {
  map.turn = [map.turn[0] + a, Math.max(-1.57, Math.min(1.57, map.turn[1] + b))];
  pointTo(-1);
  place();
}

// From a point to the nearest one that lies in the direction of an arrow key.
function step(dx, dy) {
  if (map.focus < 0) return nearest(byId("canvas").width / 2, byId("canvas").height / 2, Infinity);
  const [x, y] = [map.x[map.focus], map.y[map.focus]];
  let found = map.focus, least = Infinity;
  for (let i = 0; i < map.rows.length; i += 1) {
    const along = (map.x[i] - x) * dx + (map.y[i] - y) * dy;
    const across = Math.abs((map.x[i] - x) * dy) + Math.abs((map.y[i] - y) * dx);
    if (along > 4 && along + 2 * across < least) [found, least] = [i, along + 2 * across];
  }
  return found;
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function mapKey(event) {
  if (ARROWS[event.key]) say(pointTo(step(...ARROWS[event.key])));
  else if (event.key === " " && map.focus >= 0) {
    if (!map.selected.delete(map.focus)) map.selected.add(map.focus);
    tellSelected();
    sayNumber();
  } else if (event.key === "Escape") {
    clearSelection();
    say("Nothing is selected.");
  } else if (/^Page(Up|Down)$/.test(event.key) && map.plot.dimensions === 3) {
    turn(event.key === "PageUp" ? 0.2 : -0.2, 0);
  } else return;
  event.preventDefault();
}

function listenToMap() {
  const canvas = byId("canvas");
  canvas.addEventListener("pointerdown", pointerDown);
  canvas.addEventListener("pointermove", pointerMove);
  canvas.addEventListener("pointerup", pointerUp);
  canvas.addEventListener("pointercancel", () => { map.path = []; map.drag = null; paint(); });
  // A finger that is lifted leaves, too: what it pointed at stays to be read.
  canvas.addEventListener("pointerleave", (event) => {
    if (!map.drag && event.pointerType === "mouse") pointTo(-1);
  });
  canvas.addEventListener("blur", () => pointTo(-1));
  canvas.addEventListener("keydown", mapKey);
  byId("plot").addEventListener("change", () => { pointTo(-1); showPlot(); });
  byId("pick").addEventListener("change", (event) => {
    const wanted = event.target.value;
    select((i) => wanted !== "" && map.labels && map.labels[i] === Number(wanted));
  });
  for (const radio of document.querySelectorAll('input[name="tool"]')) {
    radio.addEventListener("change", setTool);
  }
  byId("copy").addEventListener("click", copyPaths);
  byId("clear").addEventListener("click", clearSelection);
  addEventListener("resize", () => { pointTo(-1); place(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}
