// The indices over the number of clusters: a curve an algorithm, to read and to choose from.
const INDICES = ["silhouette", "silhouette_simplified", "davies_bouldin", "calinski_harabasz",
  "stability", "gap", "separated", "consensus"];
const BOX = { height: 300, left: 60, right: 16, top: 14, bottom: 48 };
const LINES = ["#3b7dd8", "#d9722b", "#2f9e63", "#b0459e", "#a5851a", "#6f62d6", "#1f9aa8", "#c2464b"];
const SVG = document.querySelector("svg").namespaceURI;
const SHAPES = ["", "7 4", "2 3", "9 3 2 3"];

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function showIndices(set) {
  const known = INDICES.filter((index) => set.clusterings.some((own) => own.scores[index]));
  const kept = known.includes(byId("index").value) ? byId("index").value : known[0];
  options(byId("index"), known.map((index) => [index, words(index)]), kept);
  byId("curves").hidden = !known.length;
}

// A curve an algorithm: its clusterings that have the index, by number of clusters.
function curvesOf(set, index) {
  const names = [...new Set(set.clusterings.map((own) => own.algorithm))];
  return names.map((name, number) => ({
    name, color: LINES[number % LINES.length], dashes: SHAPES[Math.floor(number / 2) % SHAPES.length],
    points: set.clusterings.filter((own) => own.algorithm === name && own.scores[index])
      .sort((a, b) => a.k - b.k),
  })).filter((curve) => curve.points.length);
}

function drawCurves({ set, clustering }) {
  const index = byId("index").value, curves = index ? curvesOf(set, index) : [];
  const hadFocus = byId("plot-of-curves").contains(document.activeElement);
  byId("plot-of-curves").replaceChildren();
  byId("curves-legend").replaceChildren(...(curves.length > 1 ? curves.map(legendOf) : []));
  byId("curve-value").textContent = "";
  if (!curves.length) return;
  const scale = scaleOf(curves, index);
  const label = words("curve-label", { index: words(index), name: set.name });
  const drawn = svg("svg", { viewBox: `0 0 ${scale.width} ${BOX.height}`, role: "group", "aria-label": label },
    ...axesOf(scale), ...curves.flatMap((curve) => lineOf(curve, index, scale)));
  for (const [row, curve] of curves.entries()) {
    for (const [column, own] of curve.points.entries()) {
      drawn.append(pointOf(curve, own, index, scale, { row, column, isShown: own === clustering }));
    }
  }
  byId("plot-of-curves").append(drawn);
  const all = [...drawn.querySelectorAll(".dot")];
  const first = all.find((dot) => dot.getAttribute("aria-pressed") === "true") ?? all[0];
  first.setAttribute("tabindex", "0");
  if (hadFocus) first.focus();
  const shown = clustering.scores?.[index];
  if (shown) byId("curve-value").textContent = valueOf(clustering, index);
}

function scaleOf(curves, index) {
  const points = curves.flatMap((curve) => curve.points);
  const ks = points.map((own) => own.k), values = points.flatMap((own) => own.scores[index]);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const [first, last] = [Math.min(...ks), Math.max(...ks)];
  const { height, left, right, top, bottom } = BOX;
  // A unit of the drawing is a pixel, so that its letters are as large as those of the page.
  const width = Math.min(900, byId("plot-of-curves").clientWidth || 760);
  return {
    low, high, first, last, width,
    x: (k) => left + (first === last ? 0.5 : (k - first) / (last - first)) * (width - left - right),
    y: (value) => height - bottom - ((value - low) / (high - low)) * (height - top - bottom),
  };
}

// Round numbers within the limits, `most` or fewer.
function ticks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((times) => times * power >= rough) * power;
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n += 1) found.push(n * step);
  return found;
}

function axesOf(scale) {
  const { height, left, right, bottom } = BOX, { width } = scale;
  const across = ticks(scale.low, scale.high, 5).flatMap((value) => [
    svg("line", { class: "grid", x1: left, x2: width - right, y1: scale.y(value), y2: scale.y(value) }),
    svg("text", { x: left - 8, y: scale.y(value) + 4, "text-anchor": "end" }, decimal(value)),
  ]);
  const whole = ticks(scale.first, Math.max(scale.last, scale.first + 1), width / 80).filter(Number.isInteger);
  const along = whole.filter((k) => k <= scale.last).map((k) => svg(
    "text", { x: scale.x(k), y: height - bottom + 20, "text-anchor": "middle" }, String(k),
  ));
  const name = svg("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" },
    words("clusters-axis"));
  return [...across, ...along, name];
}

function lineOf(curve, index, scale) {
  const places = curve.points.map((own) => `${scale.x(own.k)},${scale.y(own.scores[index][0])}`);
  const intervals = curve.points.filter((own) => own.scores[index].length === 3).map((own) => {
    const [, low, high] = own.scores[index], x = scale.x(own.k);
    return svg("line", { class: "interval", x1: x, x2: x, y1: scale.y(low), y2: scale.y(high),
      stroke: curve.color });
  });
  return [...intervals, svg("polyline", { class: "curve", points: places.join(" "),
    stroke: curve.color, "stroke-dasharray": curve.dashes })];
}

function valueOf(own, index) {
  const [value, low, high] = own.scores[index].map(decimal);
  const told = low === undefined ? value : words("interval", { value, low, high });
  return words("value", { algorithm: own.algorithm, k: own.k, value: told });
}

function pointOf(curve, own, index, scale, { row, column, isShown }) {
  const [x, y] = [scale.x(own.k), scale.y(own.scores[index][0])];
  const told = valueOf(own, index);
  const made = svg("g", {
    class: "dot", role: "button", tabindex: "-1", "aria-label": told, "aria-pressed": String(isShown),
    "data-row": row, "data-column": column, "data-k": own.k, "data-clustering": own.name,
  }, svg("circle", { class: "hit", cx: x, cy: y, r: 11 }),
  svg("circle", { class: "mark", cx: x, cy: y, r: isShown ? 7 : 4, fill: curve.color }));
  const tell = () => { byId("curve-value").textContent = told; };
  made.addEventListener("pointerenter", tell);
  made.addEventListener("focus", tell);
  made.addEventListener("click", () => chooseOf(own));
  return made;
}

function chooseOf(own) {
  showClustering(own.name);
  say(words("shown-now", { name: own.name }));
}

function legendOf(curve) {
  const line = svg("svg", { viewBox: "0 0 28 8", width: 28, height: 8, "aria-hidden": "true" }, svg(
    "line", { x1: 0, x2: 28, y1: 4, y2: 4, stroke: curve.color, "stroke-width": 3,
      "stroke-dasharray": curve.dashes }));
  return element("li", {}, line, " ", curve.name);
}

function curveKey(event) {
  const dot = event.target.closest(".dot");
  if (!dot) return;
  const [row, column, k] = ["row", "column", "k"].map((name) => Number(dot.dataset[name]));
  const dots = [...byId("plot-of-curves").querySelectorAll(".dot")];
  const of = (wanted) => dots.filter((own) => Number(own.dataset.row) === wanted);
  const gap = (own) => Math.abs(Number(own.dataset.k) - k);
  const along = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const across = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (event.key === "Enter" || event.key === " ") dot.dispatchEvent(new Event("click"));
  else if (along) goTo(dot, of(row)[column + along]);
  else if (across) goTo(dot, of(row + across).sort((a, b) => gap(a) - gap(b))[0]);
  else return;
  event.preventDefault();
}

function goTo(from, to) {
  if (!to) return;
  from.setAttribute("tabindex", "-1");
  to.setAttribute("tabindex", "0");
  to.focus();
}

function listenToCurves() {
  byId("index").addEventListener("change", () => drawCurves(view));
  addEventListener("resize", () => drawCurves(view));
  byId("plot-of-curves").addEventListener("keydown", curveKey);
}
