"use strict";
// One question at a time: GET /api/question, draw it, POST /api/answer. What counts is on the server.
const get = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token") ?? "";
const LONG_PAUSE_MS = 60000; // a longer stretch without the page being seen or touched is no work
const state = { question: null, images: null, busy: true, shownAt: 0, pausedMs: 0, touchedAt: 0, moved: [0, 0] };
let pictures = new Map(); // by address: those of this question, and those of the next one, loaded before

async function call(path, options = {}, body) {
  const query = new URLSearchParams({ token, ...options });
  const request = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(`${path}?${query}`, request);
  return { status: response.status, value: await response.json() };
}

function me() {
  const name = get("who").value.trim();
  return name ? { annotator: name } : {};
}

function say(text, fails = true) {
  get("message").className = fails ? "fails" : "";
  get("message").textContent = text;
  get("message").hidden = !text;
}

async function load(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

// The pictures of a question, by name; those of earlier questions are forgotten.
async function loaded(question, keep = []) {
  const wanted = Object.entries(question.pictures);
  const kept = new Set([...wanted.map(([, address]) => address), ...keep]);
  pictures = new Map([...pictures].filter(([address]) => kept.has(address)));
  for (const [, address] of wanted) if (!pictures.has(address)) pictures.set(address, load(address));
  const found = await Promise.all(wanted.map(async ([name, address]) => [name, await pictures.get(address)]));
  return Object.fromEntries(found);
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function next() {
  state.busy = true;
  for (;;) {
    try {
      const { status, value } = await call("/api/question", me());
      if (status !== 200) return say(value.error);
      if (value.done) return finish(value);
      if (value.wait) {
        wait(value);
        await progress();
        await pause(1000 * value.wait);
        continue;
      }
      state.images = await loaded(value);
      show(value);
      progress().then(() => lookAhead(value)).catch(() => {});
      return;
    } catch (error) {
      pictures.clear();
      say("The server does not answer. Start the same command again, and open the address that it prints.");
      await pause(2000);
    }
  }
}

function wait(value) {
  get("work").hidden = true;
  const left = value.left === undefined ? "" : ` (${duration(value.left)} left)`;
  say(`Please wait: ${value.why}${left}.`, false);
  get("training").hidden = value.share === undefined;
  get("training").value = value.share ?? 0;
}

async function lookAhead(question) {
  const { value } = await call("/api/question", { ...me(), after: question.id });
  if (value.pictures && state.question === question) await loaded(value, Object.values(question.pictures));
}

function finish(value) {
  get("work").hidden = get("training").hidden = true;
  document.body.dataset.done = "yes";
  say(value.error ? `The run has stopped: ${value.error}` : "All questions are answered. Thank you. You can close this page.", value.error);
}

function nameOf(id) {
  return state.question.classes.find((one) => one.id === id)?.name ?? "void";
}

function show(question) {
  state.question = question;
  state.moved = [0, 0];
  say("");
  get("training").hidden = true;
  get("work").hidden = false;
  get("choice").hidden = true;
  const asks = question.kind === "correction";
  get("question").textContent = asks ? `Is this ${nameOf(question.shown)}?`
    : question.kind === "dominant" ? "Which class has most of the outlined area?" : "Which class is the marked pixel?";
  get("name").textContent = question.image;
  get("yes").hidden = !asks;
  get("no").hidden = !asks;
  draw();
  if (asks && get("choice").contains(document.activeElement)) get("question").focus();
  if (!asks) choose();
  state.shownAt = state.touchedAt = performance.now();
  state.pausedMs = 0;
  state.busy = false;
  document.body.dataset.id = question.id;
}

function touched() {
  const now = performance.now();
  if (now - state.touchedAt > LONG_PAUSE_MS) state.pausedMs += now - state.touchedAt;
  state.touchedAt = now;
}

// The part of the image that a canvas shows: left, top, width, height.
function view(whole) {
  const { width, height } = state.images.image;
  if (whole) return [0, 0, width, height];
  const [left, top, right, bottom] = state.question.box;
  const margin = 2 ** ((50 - get("zoom").value) / 12);
  const side = Math.max(right - left, bottom - top, 16) * (1 + margin);
  const w = Math.min(side, width), h = Math.min(side, height);
  const inside = (middle, part, all) => Math.min(Math.max(middle - part / 2, 0), all - part);
  return [inside((left + right) / 2 + state.moved[0], w, width), inside((top + bottom) / 2 + state.moved[1], h, height), w, h];
}

function draw() {
  if (!state.question) return;
  const fade = get("labels").checked ? get("fade").value / 100 : 0;
  for (const id of ["crop", "whole"]) {
    const canvas = get(id), [x, y, w, h] = view(id === "whole");
    const width = Math.max(320, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1))), scale = width / w;
    canvas.width = width;
    canvas.height = Math.round(h * scale);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = scale < 2;
    for (const [name, alpha] of [["image", 1], ["labels", fade], ["outline", 1]]) {
      context.globalAlpha = alpha;
      context.drawImage(state.images[name], x, y, w, h, 0, 0, canvas.width, canvas.height);
    }
    context.globalAlpha = 1;
    const [row, column] = state.question.pixel;
    for (const [radius, colour] of [[7, "#000"], [6, "#fff"]]) {
      context.beginPath();
      context.arc((column + 0.5 - x) * scale, (row + 0.5 - y) * scale, radius, 0, 2 * Math.PI);
      context.strokeStyle = colour;
      context.lineWidth = radius === 7 ? 4 : 2;
      context.stroke();
    }
  }
}

// Move the crop by a part of its width and height; it stays within the image.
function move(right, down) {
  const [x, y, w, h] = view(false), [left, top, r, b] = state.question.box;
  const { width, height } = state.images.image;
  const at = (start, part, by, all) => Math.min(Math.max(start + part / 2 + by * part, part / 2), all - part / 2);
  state.moved = [at(x, w, right, width) - (left + r) / 2, at(y, h, down, height) - (top + b) / 2];
  draw();
}

function zoom(by) {
  get("zoom").value = Number(get("zoom").value) + by;
  draw();
}

function home() {
  state.moved = [0, 0];
  get("zoom").value = 50;
  draw();
}

function choose() {
  get("choice").hidden = false;
  get("search").value = "";
  list();
  get("search").focus();
}

function listed() {
  const text = get("search").value.trim().toLowerCase(), classes = state.question.classes;
  const others = classes.filter((one) => state.question.kind !== "correction" || one.id !== state.question.shown);
  if (/^\d+$/.test(text)) return others.filter((one) => one.id === Number(text));
  const starting = others.filter((one) => one.name.toLowerCase().startsWith(text));
  return [...starting, ...others.filter((one) => !starting.includes(one) && one.name.toLowerCase().includes(text))];
}

function list() {
  get("classes").replaceChildren(...listed().map((one) => {
    const item = document.createElement("li"), button = document.createElement("button"), key = document.createElement("kbd");
    key.textContent = one.id;
    button.type = "button";
    button.append(key, ` ${one.name}`);
    if (one.probability !== null) button.append(` (${Math.round(100 * one.probability)} %)`);
    button.addEventListener("click", () => name(one.id));
    item.append(button);
    return item;
  }));
}

function name(id) {
  return answer(state.question.kind === "correction" ? "correct" : "classify", id);
}

async function answer(action, label = null) {
  if (state.busy) return;
  touched();
  const seconds = Math.max(0, performance.now() - state.shownAt - state.pausedMs) / 1000;
  await send("/api/answer", { id: state.question.id, action, label, seconds });
}

async function send(path, body) {
  if (state.busy) return;
  state.busy = true;
  let problem = "";
  try {
    const { status, value } = await call(path, {}, { ...body, ...me() });
    if (status !== 200) problem = value.error;
  } catch (error) {
    problem = "The server does not answer.";
  }
  await next();
  if (problem) say(problem);
}

function duration(seconds) {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

async function progress() {
  const { value } = await call("/api/status");
  const parts = [`${value.answers_of_round} answers`, `${value.left_of_round} to go`, `${value.answers} in all`, `${value.changed} labels changed`];
  if (value.median_seconds !== null) parts.push(`${value.median_seconds.toFixed(1)} s an answer`);
  if (value.seconds_left !== null) parts.push(`about ${duration(value.seconds_left)} left in this round`);
  get("progress").textContent = `round ${Math.min(value.round, value.rounds)} of ${value.rounds}: ${parts.join(", ")}`;
  get("undo").disabled = value.answers_of_round === 0;
}

function switchLabels() {
  get("labels").checked = !get("labels").checked;
  draw();
}

const ACTIONS = {
  y: () => state.question.kind === "correction" && answer("confirm"),
  n: () => state.question.kind === "correction" && choose(),
  t: () => answer("give_up"),
  v: () => answer("void"),
  s: () => send("/api/skip", { id: state.question.id }),
  u: () => send("/api/undo", {}),
  l: switchLabels,
};
const LOOK = { // in the crop also while single keys are off
  arrowleft: () => move(-0.2, 0), arrowright: () => move(0.2, 0), arrowup: () => move(0, -0.2), arrowdown: () => move(0, 0.2),
  "+": () => zoom(5), "=": () => zoom(5), "-": () => zoom(-5), "0": home,
};

document.addEventListener("keydown", (event) => {
  touched();
  if (state.busy || event.ctrlKey || event.metaKey || event.altKey) return;
  const { target } = event, pressed = event.key.toLowerCase(), single = get("keys").checked;
  const typing = ["text", "search"].includes(target.type), sliding = target.type === "range";
  if (event.key === "Escape") {
    get("choice").hidden = state.question.kind === "correction";
    get("question").focus();
  } else if (target.id === "search" && event.key === "Enter") {
    const [first] = listed();
    if (first) name(first.id);
  } else if (LOOK[pressed] && !typing && !sliding && (single || target.id === "crop")) {
    LOOK[pressed]();
  } else if (typing || !single) {
    return;
  } else if (event.key === "Enter" && target.tagName !== "BUTTON") {
    ACTIONS.y();
  } else if (ACTIONS[pressed]) {
    ACTIONS[pressed]();
  } else {
    return;
  }
  event.preventDefault();
});
document.addEventListener("pointermove", touched);
for (const [id, action] of [["yes", "y"], ["no", "n"], ["unknown", "t"], ["void", "v"], ["skip", "s"], ["undo", "u"]]) {
  get(id).addEventListener("click", () => state.busy || ACTIONS[action]());
}
get("search").addEventListener("input", list);
for (const id of ["fade", "zoom", "labels"]) get(id).addEventListener("input", draw);
get("crop").addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 5 : -5);
}, { passive: false });
get("crop").addEventListener("pointerdown", (event) => event.target.setPointerCapture(event.pointerId));
get("crop").addEventListener("pointermove", (event) => {
  if (event.buttons & 1) move(-event.movementX / event.target.clientWidth, -event.movementY / event.target.clientHeight);
});
get("whole").addEventListener("click", (event) => {
  const [left, top, right, bottom] = state.question.box, { width, height } = state.images.image;
  state.moved = [event.offsetX / event.target.clientWidth * width - (left + right) / 2, event.offsetY / event.target.clientHeight * height - (top + bottom) / 2];
  move(0, 0);
});
for (const [id, key] of [["who", "value"], ["keys", "checked"]]) { // kept in this browser
  const stored = localStorage.getItem(`alc-bench ${id}`);
  if (stored !== null) get(id)[key] = JSON.parse(stored);
  get(id).addEventListener("change", () => localStorage.setItem(`alc-bench ${id}`, JSON.stringify(get(id)[key])));
}
get("who").addEventListener("change", next);
window.addEventListener("resize", draw);
next();
