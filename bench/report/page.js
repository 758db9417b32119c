"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const get = (id) => document.getElementById(id);
const make = (tag, text, attributes) => Object.assign(document.createElement(tag), { textContent: text ?? "" }, attributes);

function fill(select, options) {
  const before = select.value;
  select.replaceChildren(...options.map(([value, text]) => make("option", text, { value })));
  if (options.some(([value]) => String(value) === before)) select.value = before;
}
const unique = (values) => [...new Set(values)];
const name = (text) => [text, text || "–"];

// ---- curves ----
function setting() {
  const chosen = ["dataset", "foundation", "oracle"].map((id) => get(id).value);
  return data.settings.find((s) => chosen.every((value, i) => s.key[i] === value));
}

function narrow() {  // each menu offers only what exists under the ones before it
  let left = data.settings;
  ["dataset", "foundation", "oracle"].forEach((id, i) => {
    fill(get(id), unique(left.map((s) => s.key[i])).map(name));
    left = left.filter((s) => s.key[i] === get(id).value);
  });
  const shown = setting();
  const has = (metric) => shown.curves.some((c) => c.seeds.some((s) => s.values[metric].some((v) => v !== null)));
  fill(get("metric"), data.metrics.filter(([key]) => has(key)));
  get("leaky").hidden = !shown.leaky;
  const off = new Set([...document.querySelectorAll("#strategies input:not(:checked)")].map((box) => box.value));
  get("strategies").replaceChildren(make("legend", "Strategies"), ...shown.curves.map((curve) => {
    const label = make("label", "", { className: "strategy" });
    const box = make("input", "", { type: "checkbox", value: curve.strategy, checked: !off.has(curve.strategy) });
    const swatch = make("span", "", { className: "swatch" });
    swatch.style.background = curve.color;
    label.append(box, swatch, curve.strategy + (curve.kind === "ranked" ? "" : ` (${curve.kind})`));
    return label;
  }));
}

function mean(seeds, key) {  // round by round, over the rounds that all seeds have
  const n = Math.min(...seeds.map((s) => s.values[key].length));
  return Array.from({ length: n }, (_, i) => {
    const values = seeds.map((s) => s.values[key][i]);
    return values.includes(null) ? null : values.reduce((a, b) => a + b, 0) / values.length;
  });
}

function draw() {
  const shown = setting(), cost = get("cost").value, metric = get("metric").value;
  const [, title, share] = data.metrics.find(([key]) => key === metric);
  const [, axis] = data.costs.find(([key]) => key === cost);
  const on = new Set([...document.querySelectorAll("#strategies input:checked")].map((box) => box.value));
  const scale = (values) => values.map((v) => (v === null ? null : share ? 100 * v : v));
  const traces = [];
  for (const curve of shown.curves.filter((c) => on.has(c.strategy))) {
    const line = { color: curve.color, width: 2.5, dash: { ranked: "solid", bound: "dash", published: "dot" }[curve.kind] };
    const common = curve.seeds.filter((s) => s.common);
    if (get("seeds").checked) {
      for (const seed of curve.seeds) {
        traces.push({ x: seed.values[cost], y: scale(seed.values[metric]), mode: "lines", opacity: 0.45,
          line: { ...line, width: 1 }, name: `${curve.strategy}, seed ${seed.seed}`, showlegend: false });
      }
    }
    if (common.length) {
      traces.push({ x: mean(common, cost), y: scale(mean(common, metric)), mode: "lines+markers", line,
        marker: { symbol: curve.symbol, size: 8 }, name: curve.strategy,
        hovertemplate: `%{y:.2f} at %{x:,.0f}<extra>${curve.strategy.replaceAll("<", "&lt;")}</extra>` });
    }
  }
  Plotly.react("plot", traces, {
    margin: { l: 56, r: 12, t: 8, b: 48 }, hovermode: "closest", showlegend: false,
    xaxis: { title: { text: axis }, rangemode: "tozero", zeroline: false },
    yaxis: { title: { text: share ? `${title} (%)` : title }, zeroline: false },
    font: { family: "system-ui, sans-serif", size: 14, color: "#1b1b1b" },
  }, { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] });
}

// ---- gallery ----
const gallery = data.gallery;
const CAPTIONS = { image: "image", before: "label before", question: "question", answer: "answer", truth: "truth", after: "label after" };

function pickCell() {
  const cell = gallery.cells[get("cell").value];
  fill(get("round"), Object.keys(cell.rounds).map((r) => [r, r]));
  get("classes").replaceChildren(...cell.classes.map((text, i) => {
    const item = make("li", text), swatch = make("span", "", { className: "swatch" });
    swatch.style.background = cell.colors[i];
    item.prepend(swatch);
    return item;
  }));
  showItems();
}

function showItems() {
  const cell = gallery.cells[get("cell").value];
  const items = [...cell.rounds[get("round").value]];
  if (get("order").value === "worst") items.reverse();
  const label = (id) => cell.classes[id] ?? "void";
  get("items").replaceChildren(...items.map((item) => {
    const article = make("article"), pictures = make("div", "", { className: "pictures" });
    const said = item.answer.length ? item.answer.map(label).join(", ") : "left as it is";
    article.append(
      make("h3", `Question ${item.number + 1}: ${item.image}`),
      make("p", `${item.kind}: ${item.asks.replace("{label}", label(item.before))} Answer: ${said} (${item.actions}). Truth at the point: ` +
        `${label(item.truth)}. ${item.corrected} px corrected, ${item.harmed} px harmed, of ${item.size}.`), pictures);
    for (const [key, caption] of Object.entries(CAPTIONS)) {
      if (item.pictures[key] === null) continue;
      const figure = make("figure");
      figure.append(make("img", "", { src: gallery.uris[item.pictures[key]], alt: `${caption} of ${item.image}`, loading: "lazy" }),
        make("figcaption", caption));
      pictures.append(figure);
    }
    return article;
  }));
}

fill(get("cost"), data.costs);
narrow();
draw();
get("controls").addEventListener("change", (event) => {
  if (["dataset", "foundation", "oracle"].includes(event.target.id)) narrow();
  draw();
});
if (gallery.cells.length) {
  fill(get("cell"), gallery.cells.map((cell, i) => [i, cell.title]));
  pickCell();
  get("cell").addEventListener("change", pickCell);
  get("round").addEventListener("change", showItems);
  get("order").addEventListener("change", showItems);
}
get("choose").hidden = !gallery.cells.length;
document.body.dataset.ready = "yes";
