// The map and its table. `element` is the component that holds map.html.

const find = (selector) => element.querySelector(selector);
const plane = find(".plane");
const MAX_ROWS = 100; // of the table at a time
// A shape for each modality, so that no eye needs its colour.
const SHAPES = [
  "M-1,0a1,1 0 1,0 2,0a1,1 0 1,0 -2,0",
  "M-.9,-.9H.9V.9H-.9Z",
  "M0,-1.2L1.1,.8H-1.1Z",
  "M0,-1.3L1.3,0L0,1.3L-1.3,0Z",
];
let space = null;
let current = -1; // of the points, where arrow keys are
let pinned = -1; // which stays when the pointer goes on

function make(name, attributes = {}, text = "") {
  const node = name.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4))
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    node.setAttribute(key, value);
  }
  node.textContent = text;
  return node;
}

function modalityOf(point) {
  return space.modalities[point.modality];
}

function describe(index) {
  const point = space.points[index];
  return `${point.label}, ${modalityOf(point).name}`;
}

function address(point, small) {
  return `item/${point.modality}/${point.row}${small ? "?small=true" : ""}`;
}

function show(index) {
  const marked = plane.querySelector(".current");
  if (marked) marked.classList.remove("current");
  const partners = plane.querySelector(".partners");
  partners.replaceChildren();
  current = index;
  const point = space.points[index];
  const mark = plane.querySelector(`[data-index="${index}"]`);
  mark.classList.add("current");
  mark.parentNode.append(mark); // above the others
  // Lines to what shows the same item.
  for (const other of space.points) {
    if (other !== point && other.item === point.item) {
      partners.append(
        make("svg:line", {
          x1: point.at[0],
          y1: -point.at[1],
          x2: other.at[0],
          y2: -other.at[1],
        }),
      );
    }
  }
  plane.setAttribute("aria-label", planeLabel());
  const chosen = find(".chosen");
  if (chosen.dataset.index === String(index)) return;
  chosen.dataset.index = index;
  const { kind, name } = modalityOf(point);
  chosen.replaceChildren();
  if (kind === "image" || kind === "video") {
    chosen.append(
      make("img", { src: address(point, kind === "image"), alt: point.label }),
    );
  }
  if (kind === "speech") {
    chosen.append(
      make("audio", {
        src: address(point, false),
        controls: "",
        preload: "none",
        "aria-label": point.label,
      }),
    );
  }
  chosen.append(make("p", { class: "label" }, point.label));
  chosen.append(make("p", { class: "hint" }, `${name}; nearest to it:`));
  const list = make("ul");
  for (const near of point.near) {
    const item = make("li");
    item.append(button(near));
    list.append(item);
  }
  chosen.append(list);
}

function button(index) {
  const point = space.points[index];
  const node = make("button", { type: "button" }, point.label);
  node.prepend(symbol(point.modality));
  node.setAttribute("aria-label", describe(index));
  node.addEventListener("click", () => pin(index));
  return node;
}

function symbol(modality) {
  const icon = make("svg:svg", {
    viewBox: "-1.5 -1.5 3 3",
    class: `symbol m${modality % 6}`,
    "aria-hidden": "true",
  });
  icon.append(make("svg:path", { d: SHAPES[modality % SHAPES.length] }));
  return icon;
}

function pin(index) {
  pinned = index;
  show(index);
}

function planeLabel() {
  const what = current < 0 ? "none yet" : describe(current);
  return (
    `Map of ${space.points.length} items. Arrow keys go from item to item, ` +
    `Enter keeps one. Chosen: ${what}`
  );
}

// The nearest point that lies more this way than another.
function neighbour(index, [dx, dy]) {
  const [x, y] = space.points[index].at;
  let best = index;
  let least = Infinity;
  space.points.forEach(({ at }, other) => {
    const ahead = (at[0] - x) * dx + (at[1] - y) * dy;
    const aside = Math.abs((at[0] - x) * dy) + Math.abs((at[1] - y) * dx);
    if (other === index || ahead <= 1e-6 || aside > ahead) return;
    if (ahead + aside < least) [least, best] = [ahead + aside, other];
  });
  return best;
}

const WAYS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

function listen() {
  plane.addEventListener("keydown", (event) => {
    if (event.key in WAYS) {
      show(current < 0 ? 0 : neighbour(current, WAYS[event.key]));
      pinned = -1;
    } else if (event.key === "Enter" || event.key === " ") {
      pin(Math.max(current, 0));
    } else {
      return;
    }
    event.preventDefault();
  });
  plane.addEventListener("focus", () => {
    if (current < 0) show(0);
  });
  plane.addEventListener("pointermove", (event) => {
    const index = event.target.dataset.index;
    if (index !== undefined && pinned < 0) show(Number(index));
  });
  plane.addEventListener("click", (event) => {
    const index = event.target.dataset.index;
    if (index === undefined) pinned = -1;
    else pin(Number(index));
  });
  find(".filter").addEventListener("input", fillTable);
}

function fillTable() {
  const words = find(".filter").value.trim().toLowerCase();
  const rows = [];
  let count = 0;
  space.points.forEach((point, index) => {
    if (words && !point.label.toLowerCase().includes(words)) return;
    count += 1;
    if (rows.length === MAX_ROWS) return;
    const row = make("tr");
    const item = make("th", { scope: "row" });
    item.append(button(index));
    const near = point.near.map((other) => space.points[other].label);
    row.append(item, make("td", {}, modalityOf(point).name));
    row.append(make("td", {}, near.join(", ")));
    rows.push(row);
  });
  find("tbody").replaceChildren(...rows);
  const more = count > rows.length ? `, the first ${rows.length} shown` : "";
  find(".table-status").textContent = `${count} items${more}`;
}

function draw() {
  const legend = find(".legend");
  space.modalities.forEach(({ name }, modality) => {
    const entry = make("span", {}, name);
    entry.prepend(symbol(modality));
    legend.append(entry);
  });
  // Few are large enough for a finger.
  const size = Math.max(0.012, Math.min(0.03, 0.3 / Math.sqrt(space.points.length)));
  plane.append(make("svg:g", { class: "partners" }));
  const marks = make("svg:g");
  space.points.forEach(({ at, modality }, index) => {
    marks.append(
      make("svg:path", {
        d: SHAPES[modality % SHAPES.length],
        class: `point m${modality % 6}`,
        transform: `translate(${at[0]} ${-at[1]}) scale(${size})`,
        "data-index": index,
      }),
    );
  });
  plane.append(marks);
  plane.setAttribute("aria-label", planeLabel());
  const total = space.modalities.reduce((sum, { total }) => sum + total, 0);
  const some =
    total > space.points.length ? `${space.points.length} of ` : "All ";
  find(".map-status").textContent =
    `${some}${total} items, each modality around its own middle, seen along ` +
    `the two directions in which they differ most: ` +
    `${Math.round(100 * space.share)} % of all differences.`;
  find(".chosen").append(
    make("p", { class: "hint" }, "Point at an item, or go there by keys."),
  );
  fillTable();
  listen();
}

fetch("map")
  .then((response) => {
    if (!response.ok) throw new Error(`${response.status}`);
    return response.json();
  })
  .then((loaded) => {
    space = loaded;
    draw();
    element.dataset.ready = "";
  })
  .catch((error) => {
    find(".map-status").textContent = `The map cannot be loaded: ${error}`;
  });
