"use strict";
// One question at a time: GET /api/question, draw it, POST /api/answer. What counts is on the server.
const get = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token") ?? "";
const LONG_PAUSE_MS = 60000; // a longer stretch without the page being seen or touched is no work
const state = { question: null, images: null, busy: true, shownAt: 0, pausedMs: 0, touchedAt: 0 };

async function call(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(`${path}?token=${encodeURIComponent(token)}`, options);
  return { status: response.status, value: await response.json() };
}

function say(text) {
  get("message").textContent = text;
  get("message").hidden = !text;
}

function load(address) {
  return new Promise((done, failed) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => failed(new Error("a picture did not come"));
    image.src = address;
  });
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function next() {
  state.busy = true;
  for (;;) {
    try {
      const { status, value } = await call("/api/question");
      if (status !== 200) return say(value.error);
      if (value.done) return finish(value);
      if (value.wait) {
        get("work").hidden = true;
        say(`Please wait: ${value.why}.`);
        await progress();
        await pause(1000 * value.wait);
        continue;
      }
      const names = Object.keys(value.pictures);
      const pictures = await Promise.all(names.map((name) => load(value.pictures[name])));
      state.images = Object.fromEntries(names.map((name, i) => [name, pictures[i]]));
      show(value);
      return await progress();
    } catch (error) {
      say("The server does not answer. Start the same command again, and open the address that it prints.");
      await pause(2000);
    }
  }
}

function finish(value) {
  get("work").hidden = true;
  document.body.dataset.done = "yes";
  say(value.error ? `The run has stopped: ${value.error}` : "All questions are answered. Thank you. You can close this page.");
}

function nameOf(id) {
  return state.question.classes.find((one) => one.id === id)?.name ?? "void";
}

function show(question) {
  state.question = question;
  say("");
  get("work").hidden = false;
  get("choice").hidden = true;
  const asks = question.kind === "correction";
  get("question").textContent = asks ? `Is this ${nameOf(question.shown)}?`
    : question.kind === "dominant" ? "Which class has most of the outlined area?" : "Which class is the marked pixel?";
  get("name").textContent = question.image;
  get("yes").hidden = !asks;
  get("no").hidden = !asks;
  draw();
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

function view(whole) {
  const { width, height } = state.images.image;
  if (whole) return [0, 0, width, height];
  const [left, top, right, bottom] = state.question.box;
  const margin = 2 ** ((50 - get("zoom").value) / 12);
  const side = Math.max(right - left, bottom - top, 16) * (1 + margin);
  const w = Math.min(side, width), h = Math.min(side, height);
  const x = Math.min(Math.max((left + right - w) / 2, 0), width - w), y = Math.min(Math.max((top + bottom - h) / 2, 0), height - h);
  return [x, y, w, h];
}

function draw() {
  if (!state.question) return;
  for (const id of ["crop", "whole"]) {
    const canvas = get(id), [x, y, w, h] = view(id === "whole");
    const width = Math.max(320, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1))), scale = width / w;
    canvas.width = width;
    canvas.height = Math.round(h * scale);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = scale < 2;
    for (const [name, alpha] of [["image", 1], ["labels", get("fade").value / 100], ["outline", 1]]) {
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
  await send("/api/answer", { id: state.question.id, action, label, seconds, annotator: get("who").value || null });
}

async function send(path, body) {
  if (state.busy) return;
  state.busy = true;
  let problem = "";
  try {
    const { status, value } = await call(path, body);
    if (status !== 200) problem = value.error;
  } catch (error) {
    problem = "The server does not answer.";
  }
  await next();
  if (problem) say(problem);
}

async function progress() {
  const { value } = await call("/api/status");
  const median = value.median_seconds === null ? "" : `, ${value.median_seconds.toFixed(1)} s an answer`;
  get("progress").textContent = `round ${Math.min(value.round, value.rounds)} of ${value.rounds}: ${value.answers_of_round} answers, ` +
    `${value.answers} in all, ${value.changed} labels changed${median}`;
  get("undo").disabled = value.answers_of_round === 0;
}

const ACTIONS = {
  y: () => state.question.kind === "correction" && answer("confirm"),
  n: () => state.question.kind === "correction" && choose(),
  t: () => answer("give_up"),
  v: () => answer("void"),
  u: () => send("/api/undo", {}),
};

document.addEventListener("keydown", (event) => {
  touched();
  if (state.busy || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = ["text", "search"].includes(event.target.type), pressed = event.key.toLowerCase();
  if (event.key === "Escape") {
    get("choice").hidden = state.question.kind === "correction";
    get("question").focus();
  } else if (event.target.id === "search" && event.key === "Enter") {
    const [first] = listed();
    if (first) name(first.id);
  } else if (typing || !get("keys").checked) {
    return;
  } else if (event.key === "Enter" && event.target.tagName !== "BUTTON") {
    ACTIONS.y();
  } else if (ACTIONS[pressed]) {
    ACTIONS[pressed]();
  } else {
    return;
  }
  event.preventDefault();
});
document.addEventListener("pointermove", touched);
for (const [id, action] of [["yes", "y"], ["no", "n"], ["unknown", "t"], ["void", "v"], ["undo", "u"]]) {
  get(id).addEventListener("click", () => ACTIONS[action]());
}
get("search").addEventListener("input", list);
for (const id of ["fade", "zoom"]) get(id).addEventListener("input", draw);
window.addEventListener("resize", draw);
next();
