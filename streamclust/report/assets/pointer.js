// The map under the pointer and the keys.
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
  const takes = tool() !== "look" || map.plot.dimensions === 3 || !isWhole();
  byId("canvas").classList.toggle("grab", takes);
  byId("canvas").classList.toggle("draws", tool() !== "look");
}

function placeOf(event) {
  const canvas = byId("canvas"), box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

function pointerDown(event) {
  const at = placeOf(event);
  map.fingers.set(event.pointerId, at);
  map.drag = { from: at, last: at };
  map.path = [];
  if (byId("canvas").classList.contains("grab")) byId("canvas").setPointerCapture(event.pointerId);
  if (tool() === "look") pointTo(nearest(...at, NEAR));
}

function pointerMove(event) {
  const at = placeOf(event);
  if (map.fingers.size === 2 && map.fingers.has(event.pointerId)) {
    const before = [...map.fingers.values()];
    map.fingers.set(event.pointerId, at);
    map.path = [];
    pinch(before, [...map.fingers.values()]);
    return;
  }
  if (!map.drag || tool() === "look") {
    if (map.drag) dragTo(at, event.shiftKey);
    else pointTo(nearest(...at, NEAR));
    return;
  }
  const [x, y] = map.drag.from;
  if (tool() === "rectangle") map.path = [[x, y], [at[0], y], at, [x, at[1]]];
  else map.path.push(at);
  paint();
}

// Dragging moves what is zoomed, and turns what is in space; with Shift it moves that, too.
function dragTo(at, shift) {
  const canvas = byId("canvas");
  const [dx, dy] = [at[0] - map.drag.last[0], at[1] - map.drag.last[1]];
  map.drag.last = at;
  if (map.plot.dimensions === 3 && !shift) turn(dx / 150, dy / 150);
  else if (!isWhole()) move(dx / canvas.width, dy / canvas.height);
  else pointTo(nearest(...at, NEAR));
}

function pointerUp(event) {
  map.fingers.delete(event.pointerId);
  if (map.drag && map.path.length > 2) {
    const polygon = map.path;
    map.path = [];
    byId("pick").value = "";
    select((i) => inside(map.x[i], map.y[i], polygon));
  }
  map.path = [];
  map.drag = null;
}

function pointerLost(event) {
  map.fingers.delete(event.pointerId);
  map.path = [];
  map.drag = null;
  paint();
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

// A point out of sight is brought to the middle.
function stepTo(i) {
  const canvas = byId("canvas");
  const parts = [map.x[i] / canvas.width, map.y[i] / canvas.height];
  if (parts.some((part) => part < 0 || part > 1)) move(0.5 - parts[0], 0.5 - parts[1]);
  say(pointTo(i));
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function mapKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (ARROWS[event.key] && event.shiftKey) {
    const [dx, dy] = ARROWS[event.key];
    move(-dx / 8, -dy / 8);
  } else if (ARROWS[event.key]) stepTo(step(...ARROWS[event.key]));
  else if (event.key === "+" || event.key === "=") { zoomBy(1.5); sayZoom(); }
  else if (event.key === "-" || event.key === "_") { zoomBy(1 / 1.5); sayZoom(); }
  else if (event.key === "0") { wholeMap(); sayZoom(); }
  else if (event.key === " " && map.focus >= 0) {
    if (!map.selected.delete(map.focus)) map.selected.add(map.focus);
    tellSelected();
    sayNumber();
  } else if (event.key === "Escape") {
    clearSelection();
    say(words("nothing-selected"));
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
  canvas.addEventListener("pointercancel", pointerLost);
  // A finger that is lifted leaves, too: what it pointed at stays to be read.
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse" && !canvas.hasPointerCapture(event.pointerId)) pointerLost(event);
    if (!map.drag && event.pointerType === "mouse") pointTo(-1);
  });
  canvas.addEventListener("blur", () => pointTo(-1));
  canvas.addEventListener("keydown", mapKey);
  listenToView();
  byId("plot").addEventListener("change", () => { wholeMap(); showPlot(); });
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
