// The map: a sample of the rows, to look at and to select from.
const NEAR = 12;
const NOISE = "#8b8f96";
const map = { view: null, plot: null, at: null, rows: null, labels: null, x: null, y: null,
  selected: new Set(), path: [], focus: -1, turn: [0.6, 0.4], drag: null,
  zoom: 1, middle: [0.5, 0.5], fingers: new Map() };

function showMap(view) {
  map.view = view;
  map.rows = unpacked(view.set.rows, Uint32Array);
  map.labels = view.clustering.labels ? unpacked(
    view.clustering.labels, view.clustering.k > 32767 ? Int32Array : Int16Array,
  ) : null;
  map.selected.clear();
  map.focus = -1;
  const named = view.set.plots.map((plot) => [plot.name, plotName(plot)]);
  const kept = view.set.plots.some((plot) => plot.name === byId("plot").value);
  options(byId("plot"), named, kept ? byId("plot").value : named[0][0]);
  showPicks();
  showPlot();
}

function plotName(plot) {
  return plot.name === "components" ? words("two-components") : plot.name;
}

function showPicks() {
  const { set, clustering } = map.view;
  const entries = (clustering.cards ?? []).map((card) => {
    const { name } = current(set, clustering, card);
    return [String(card.cluster), `${card.cluster}${name ? ": " + name : ""}`.slice(0, 60)];
  });
  options(byId("pick"), [["", words("none")], ...entries], "");
}

function showPlot() {
  const { set } = map.view;
  map.plot = set.plots.find((plot) => plot.name === byId("plot").value) ?? set.plots[0];
  map.at = unpacked(map.plot.at, Uint16Array);
  const { axis, beyond } = map.plot;
  byId("map-note").textContent = [
    words(set.points < set.placed ? "rows-drawn" : "rows-shown", { rows: counted(set.points, "row"), axis }),
    ...(beyond ? [words("beyond", { n: beyond.toLocaleString(LANGUAGE) })] : []),
  ].join(" ");
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
    [u, v] = zoomed(u, 1 - v);
    map.x[i] = margin + u * (canvas.width - 2 * margin);
    map.y[i] = margin + v * (canvas.height - 2 * margin);
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
  const size = (map.rows.length > 2500 ? 2.2 : 2.8) * devicePixelRatio * map.zoom ** 0.25;
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
  const row = map.rows[i], told = `${pathOf(row)} · ${clusterWords(i)}`;
  tip.replaceChildren(
    ...(DATA.images[row] ? [element("img", { src: DATA.images[row], alt: "" })] : []), told,
  );
  const canvas = byId("canvas"), scale = canvas.clientWidth / canvas.width;
  const left = scale * map.x[i] + 14, width = tip.offsetWidth;
  const top = Math.min(scale * map.y[i] + 14, canvas.clientHeight - tip.offsetHeight);
  tip.style.left = `${left + width > canvas.clientWidth ? Math.max(0, left - width - 28) : left}px`;
  tip.style.top = `${Math.max(0, top)}px`;
  return told;
}

function clusterWords(i) {
  const { set, clustering } = map.view;
  if (!map.labels) return clustering.name;
  const card = clustering.cards.find((own) => own.cluster === map.labels[i]);
  if (!card) return map.labels[i] < 0 ? words("in-none") : words("cluster", { cluster: map.labels[i] });
  const { name } = current(set, clustering, card);
  return words(name ? "cluster-named" : "cluster", { cluster: card.cluster, name });
}
