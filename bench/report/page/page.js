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
    const swatch = sign(curve);
    label.append(box, swatch, curve.strategy + (curve.kind === "ranked" ? "" : ` (${curve.kind})`));
    return label;
  }));
}

const sign = (curve) => symbol(curve.kind === "bound" ? "┅" : curve.form, curve.color);

function usual() {  // what a setting of this many strategies and seeds shows at first
  const curves = setting().curves;
  get("seeds").checked = Math.max(...curves.map((c) => c.seeds.length)) < 5;
  get("difference").disabled = !curves.some((c) => c.strategy === "random");
  get("difference").checked = !get("difference").disabled && curves.length > 8;
}

// ---- the answer at a budget ----
function answer() {
  const shown = setting(), metric = data.columns[get("metric").value];
  const steps = shown.answers[metric]?.[data.axes[get("cost").value]];
  get("slider").hidden = get("dots").hidden = !steps;
  if (!steps) {
    const tested = Object.keys(shown.answers).length;
    get("sentence").textContent = tested ? "Of this metric and cost nothing is tested; the curves show it." : "Nothing is ranked: no seed is done in every strategy.";
    return;
  }
  get("budget").max = steps.length - 1;
  const { budget, sentence, rows } = steps[get("budget").value];
  const amount = budget.toLocaleString("en", { maximumFractionDigits: 0 });
  const unit = data.costs.find(([key]) => key === get("cost").value)[1];
  get("amount").textContent = `${amount} ${unit}`;
  get("budget").setAttribute("aria-valuetext", `${amount} ${unit}`);
  get("sentence").replaceChildren(...sentence.split("`").map((text, i) => make(i % 2 ? "code" : "span", text)));
  const headings = ["strategy", "rank", `${metric} mIoU (%)`, "95 % interval", ""];
  get("dots").replaceChildren(dotTable(headings, rows, (row) => {
    const curve = shown.curves.find((c) => c.strategy === row.strategy);
    return { sign: sign(curve), color: curve.color, left: [between(row.low, row.high)], right: [] };
  }));
}

function at(cost, value, x) {  // the curve's value there, by straight lines; null outside of it
  const i = cost.findIndex((c) => c >= x);
  if (i < 0 || x < cost[0] || value[i] === null) return null;
  if (i === 0 || cost[i] === x) return value[i];
  return value[i - 1] === null ? null : value[i - 1] + (value[i] - value[i - 1]) * (x - cost[i - 1]) / (cost[i] - cost[i - 1]);
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
  const traces = [], css = getComputedStyle(document.body), random = shown.curves.find((c) => c.strategy === "random");
  const zero = get("difference").checked && random ? random.seeds.filter((s) => s.common) : [];
  const base = zero.length ? [mean(zero, cost), scale(mean(zero, metric))] : null;
  const less = (x, y) => (base ? y.map((v, i) => { const b = at(...base, x[i]); return v === null || b === null ? null : v - b; }) : y);
  for (const curve of shown.curves.filter((c) => on.has(c.strategy))) {
    const line = { color: curve.color, width: 2.5, dash: { ranked: "solid", bound: "dash", published: "dot" }[curve.kind] };
    const common = curve.seeds.filter((s) => s.common);
    if (get("seeds").checked) {
      for (const seed of curve.seeds) {
        traces.push({ x: seed.values[cost], y: less(seed.values[cost], scale(seed.values[metric])), mode: "lines", opacity: 0.45,
          line: { ...line, width: 1 }, name: `${curve.strategy}, seed ${seed.seed}`, showlegend: false });
      }
    }
    if (common.length) {
      const x = mean(common, cost);
      traces.push({ x, y: less(x, scale(mean(common, metric))), mode: "lines+markers", line,
        marker: { symbol: curve.symbol, size: 8 }, name: curve.strategy,
        hovertemplate: `%{y:.2f} at %{x:,.0f}<extra>${curve.strategy.replaceAll("<", "&lt;")}</extra>` });
    }
  }
  Plotly.react("plot", traces, {
    margin: { l: 56, r: 12, t: 8, b: 48 }, hovermode: "closest", showlegend: false,
    xaxis: { title: { text: axis }, rangemode: "tozero", zeroline: false, gridcolor: css.getPropertyValue("--line") },
    yaxis: { title: { text: (share ? `${title} (%)` : title) + (base ? ", less random" : "") }, zeroline: Boolean(base), gridcolor: css.getPropertyValue("--line") },
    paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { family: "system-ui, sans-serif", size: 14, color: css.getPropertyValue("--ink") },
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
      make("p", `${item.kind}: ${item.asks.replace("{label}", label(item.before))} Answer: ${said} (${item.actions}). ` +
        (item.truth === null ? `No truth is known; ${item.size} px.` : `Truth at the point: ${label(item.truth)}. ` +
        `${item.corrected} px corrected, ${item.harmed} px harmed, of ${item.size}.`)), pictures);
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
usual();
answer();
draw();
get("controls").addEventListener("change", (event) => {
  if (["dataset", "foundation", "oracle"].includes(event.target.id)) {
    narrow();
    usual();
  }
  answer();
  draw();
});
get("budget").addEventListener("input", answer);
get("controls").addEventListener("submit", (event) => event.preventDefault());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
if (gallery.cells.length) {
  fill(get("cell"), gallery.cells.map((cell, i) => [i, cell.title]));
  pickCell();
  get("cell").addEventListener("change", pickCell);
  get("round").addEventListener("change", showItems);
  get("order").addEventListener("change", showItems);
}
get("choose").hidden = !gallery.cells.length;
document.body.dataset.ready = "yes";
