// What part of the map is seen: zoomed, moved, and turned in space.
const MOST_ZOOM = 64;

// Where a place of the whole map, from 0 to 1, is in what is seen of it.
function zoomed(u, v) {
  return [0.5 + map.zoom * (u - map.middle[0]), 0.5 + map.zoom * (v - map.middle[1])];
}

function isWhole() {
  return map.zoom === 1 && map.middle[0] === 0.5 && map.middle[1] === 0.5;
}

// The map is never pushed out of sight.
function look(zoom, middle) {
  map.zoom = Math.max(1, Math.min(MOST_ZOOM, zoom));
  const most = 0.5 - 0.5 / map.zoom;
  map.middle = middle.map((part) => Math.max(0.5 - most, Math.min(0.5 + most, part)));
  byId("zoom-out").disabled = byId("zoom-reset").disabled = isWhole();
  pointTo(-1);
  setTool();
  place();
}

// By a factor, such that a place of the canvas (0 to 1) shows what it showed before.
function zoomBy(factor, at = [0.5, 0.5]) {
  const zoom = Math.max(1, Math.min(MOST_ZOOM, map.zoom * factor));
  const part = 1 / map.zoom - 1 / zoom;
  look(zoom, map.middle.map((own, axis) => own + (at[axis] - 0.5) * part));
}

// By parts of the canvas.
function move(dx, dy) {
  look(map.zoom, [map.middle[0] - dx / map.zoom, map.middle[1] - dy / map.zoom]);
}

function wholeMap() {
  map.turn = [0.6, 0.4];
  look(1, [0.5, 0.5]);
}

function turn(a, b) {
  map.turn = [map.turn[0] + a, Math.max(-1.57, Math.min(1.57, map.turn[1] + b))];
  pointTo(-1);
  place();
}

function sayZoom() {
  say(words("zoomed", { share: percent(map.zoom) }));
}

// The page scrolls over a map that nobody has clicked.
function wheel(event) {
  const canvas = byId("canvas");
  if (!event.ctrlKey && document.activeElement !== canvas) return;
  if (isWhole() && event.deltaY > 0 && !event.ctrlKey) return;
  event.preventDefault();
  const [x, y] = placeOf(event);
  zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), [x / canvas.width, y / canvas.height]);
}

// Two fingers: `before` and `now` are their places.
function pinch(before, now) {
  const canvas = byId("canvas");
  const gap = ([a, b]) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
  const middle = ([a, b]) => [(a[0] + b[0]) / 2 / canvas.width, (a[1] + b[1]) / 2 / canvas.height];
  const [from, to] = [middle(before), middle(now)];
  move(to[0] - from[0], to[1] - from[1]);
  zoomBy(gap(now) / gap(before), to);
}

function listenToView() {
  byId("canvas").addEventListener("wheel", wheel, { passive: false });
  byId("zoom-in").addEventListener("click", () => { zoomBy(1.5); sayZoom(); });
  byId("zoom-out").addEventListener("click", () => { zoomBy(1 / 1.5); sayZoom(); });
  byId("zoom-reset").addEventListener("click", () => { wholeMap(); sayZoom(); });
}
