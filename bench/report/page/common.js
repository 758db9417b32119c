"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const get = (id) => document.getElementById(id);
const make = (tag, text, attributes) => Object.assign(document.createElement(tag), { textContent: text ?? "" }, attributes);
const percent = (value) => (value === null ? "–" : (100 * value).toFixed(2));
const between = (low, high) => (low === null ? "–" : `${percent(low)} to ${percent(high)}`);

function fill(select, options) {
  const before = select.value;
  select.replaceChildren(...options.map(([value, text]) => make("option", text, { value })));
  if (options.some(([value]) => String(value) === before)) select.value = before;
}

function symbol(form, color) {
  const found = make("span", form, { className: "symbol" });
  found.style.color = color;
  found.setAttribute("aria-hidden", "true");
  return found;
}

// A row a strategy: its name, rank and mean, a dot with its interval, and what `cells` says to the left and right of that.
function dotTable(headings, rows, cells) {
  const ends = rows.flatMap((row) => [row.mean, row.low, row.high]).filter((value) => value !== null);
  const low = Math.min(...ends), span = Math.max(...ends) - low || 1;
  const place = (value) => `${2 + 96 * (value - low) / span}%`;
  const table = make("table", "", { className: "numbers" }), head = table.createTHead().insertRow(), body = table.createTBody();
  for (const text of headings) head.append(make("th", text, { scope: "col" }));
  for (const row of rows) {
    const { sign, color, strong, left, right } = cells(row), first = make("th", "", { scope: "row" });
    first.append(sign, make(strong ? "strong" : "span", ` ${row.strategy}${row.kind === "bound" ? " (bound)" : ""}`));
    const track = make("td", "", { className: "track" }), dot = make("span", "", { className: `dot ${row.kind}` });
    if (row.low !== null) {
      const bar = make("span", "", { className: "bar" });
      Object.assign(bar.style, { left: place(row.low), width: `${96 * (row.high - row.low) / span}%`, background: color });
      track.append(bar);
    }
    Object.assign(dot.style, { left: place(row.mean), borderColor: color, background: row.kind === "bound" ? "" : color });
    track.append(dot);
    const rank = row.rank_low === null ? "–" : row.rank_low === row.rank_high ? `${row.rank_low}` : `${row.rank_low}–${row.rank_high}`;
    const cell = (text) => make("td", text);
    body.insertRow().append(first, ...[rank, percent(row.mean), ...left].map(cell), track, ...right.map(cell));
  }
  return table;
}
