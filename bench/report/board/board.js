const probability = (p) => (p === null ? "–" : p < 1e-4 ? "<0.0001" : String(Number(p.toPrecision(2))));

const result = () => data.results[get("result").value];
const setting = () => result().settings[get("oracle").value];
const steps = () => setting().answers[get("metric").value]?.[get("cost").value];
const unpacked = (row) => Object.fromEntries(data.row.map((key, i) => [key, row[i]]));
const curves = () => setting().curves[get("metric").value]?.[get("cost").value] ?? {};

function narrow() {  // each menu offers only what exists under the ones before it
  fill(get("oracle"), result().settings.map((s, i) => [i, s.oracle]));
  fill(get("metric"), Object.entries(data.metrics).filter(([key]) => setting().curves[key]));
  fill(get("cost"), Object.entries(data.costs).filter(([key]) => setting().curves[get("metric").value][key]));
}

const sign = ([kind, color, form]) => symbol({ bound: "┅", published: "┈" }[kind] ?? form, color);

function answer() {
  get("notes").replaceChildren(...setting().notes.map((text) => make("li", text)));
  get("made").textContent = result().made.join("\n");
  const found = steps();
  get("slider").hidden = get("dots").hidden = get("evidence").hidden = !found;
  if (!found) {
    const others = Object.keys(setting().answers).length > 0;
    get("choice").textContent = others ? "Nothing is tested by this metric: it is there to draw what papers report." : "The data does not say: no seed is done in every strategy.";
    return;
  }
  get("budget").max = found.length - 1;
  const { budget, sentence, worse, rows: packed } = found[get("budget").value], rows = packed.map(unpacked);
  const amount = `${budget.toLocaleString("en", { maximumFractionDigits: 0 })} ${data.costs[get("cost").value]}`;
  get("amount").textContent = amount;
  get("budget").setAttribute("aria-valuetext", amount);
  const ranked = rows.filter((row) => row.kind === "ranked");
  const group = ranked.filter((row) => row.rank_low === 1), tested = ranked.filter((row) => row.rank_low !== null);
  const says = group.length > 0 && group.length < tested.length;
  const names = group.slice(0, data.most).flatMap((row, i) => [i ? ", " : "", make("code", row.strategy), worse.includes(row.strategy) ? " (worse than asking nobody)" : ""]);
  if (group.length > data.most) names.push(` and ${group.length - data.most} more`);
  get("choice").replaceChildren(...(says ? names : ["The data does not say."]));
  const parts = sentence.split("`").map((text, i) => make(i % 2 ? "code" : "span", text));
  const outside = tested.find((row) => row.rank_low > 1);
  const nobody = rows.find((row) => row.kind === "start");
  const start = nobody ? ` Asking nobody leaves ${percent(nobody.mean)}.` : "";
  const next = says && outside ? [" The next, ", make("code", outside.strategy), ", is below ", make("code", outside.to),
    ` by ${percent(-outside.difference)} points (${between(-outside.difference_high, -outside.difference_low)}; p ${probability(outside.p)}).`] : [];
  get("evidence").replaceChildren(...parts, ...next, `${start} Evidence: ${setting().seeds}.`);
  const headings = ["strategy", "rank", "mIoU (%)", "difference (95 % interval)", "", "p"];
  get("dots").replaceChildren(dotTable(headings, rows, (row) => {
    const style = setting().looks[row.strategy], tested = row.p !== null && row.to !== row.strategy;
    const difference = tested ? `${percent(row.difference)} (${between(row.difference_low, row.difference_high)}) to ${row.to}` : "–";
    return { sign: sign(style), color: style[1], strong: row.rank_low === 1, left: [difference], right: [tested ? probability(row.p) : "–"] };
  }));
}

// ---- curves ----
const W = 480, H = 340, L = 44, R = 8, T = 10, B = 40;

function svg(tag, attributes, text) {
  const found = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  if (text !== undefined) found.textContent = text;
  return found;
}

function ticks(low, high, n) {
  const raw = (high - low) / n || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

function draw() {
  const found = Object.entries(curves());
  const budgets = steps(), own = found.filter(([name]) => setting().looks[name][0] !== "published");
  const right = Math.max(...(own.length ? own : found).flatMap(([, [x]]) => x));  // others may have asked far more
  const shown = found.map(([name, [x, y]]) => [name, x.map((cost, i) => [cost, 100 * y[i]]).filter(([cost]) => cost <= right)]);
  const values = shown.flatMap(([, points]) => points.map(([, y]) => y));
  const low = Math.min(...values), high = Math.max(...values, low + 1);
  const x = (cost) => L + (W - L - R) * cost / (right || 1), y = (value) => H - B - (H - T - B) * (value - low) / (high - low);
  const parts = [];
  for (const tick of ticks(low, high, 5)) {
    parts.push(svg("line", { x1: L, x2: W - R, y1: y(tick), y2: y(tick), class: "grid" }),
      svg("text", { x: L - 6, y: y(tick) + 4, "text-anchor": "end" }, Number(tick.toPrecision(4))));
  }
  for (const tick of ticks(0, right, 4)) parts.push(svg("text", { x: x(tick), y: H - B + 18, "text-anchor": "middle" }, tick.toLocaleString("en")));
  parts.push(svg("text", { x: (L + W - R) / 2, y: H - 4, "text-anchor": "middle" }, data.costs[get("cost").value]),
    svg("text", { x: L - 40, y: T + 2 }, `${data.metrics[get("metric").value]} (%)`));
  if (budgets) {
    const at = x(budgets[get("budget").value].budget);
    parts.push(svg("line", { x1: at, x2: at, y1: T, y2: H - B, class: "budget" }));
  }
  for (const [name, points] of shown) {
    const [kind, color] = setting().looks[name], dash = { ranked: "none", bound: "7 4", published: "2 3", start: "1 5" }[kind];
    const line = svg("polyline", { points: points.map(([a, b]) => `${x(a)},${y(b)}`).join(" "), fill: "none", stroke: color, "stroke-width": 2, "stroke-dasharray": dash });
    line.append(svg("title", {}, ["ranked", "start"].includes(kind) ? name : `${name} (${kind})`));
    parts.push(line);
  }
  get("lines").replaceChildren(...parts);
  get("legend").replaceChildren(...shown.map(([name]) => {
    const item = make("li", ""), kind = setting().looks[name][0];
    item.append(sign(setting().looks[name]), ["ranked", "start"].includes(kind) ? name : `${name} (${kind})`);
    return item;
  }));
}

fill(get("result"), data.results.map((r, i) => [i, r.name]));
get("result").value = data.first;
narrow();
answer();
draw();
get("controls").addEventListener("input", () => { narrow(); answer(); draw(); });
get("controls").addEventListener("submit", (event) => event.preventDefault());
document.body.dataset.ready = "yes";
