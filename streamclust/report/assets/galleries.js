// Images on a card, by kind; paths where the page holds no image at all.
function galleriesOf(card) {
  return Object.entries(card.rows).flatMap(([kind, rows]) => {
    const shown = rows.filter((row) => DATA.images[row]);
    if (shown.length) {
      return [
        element("p", { class: "gallery-title" }, words(kind)),
        element("ul", { class: "gallery" }, ...shown.map((row) => element("li", {}, imageOf(row)))),
      ];
    }
    if (Object.keys(DATA.images).length || !rows.some((row) => DATA.paths[row])) return [];
    return [
      element("p", { class: "gallery-title" }, words(kind)),
      element("ul", { class: "gallery paths" }, ...rows.map((row) => element("li", {}, pathOf(row)))),
    ];
  });
}

function imageOf(row) {
  const path = pathOf(row);
  return element("img", { src: DATA.images[row], alt: path, title: path, loading: "lazy" });
}
