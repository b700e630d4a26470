// The page around `search.js`.

import { Search } from "./search.js";

const NUM_HITS = 10;
const PAUSE = 120; // milliseconds after the last key

const byId = (id) => document.getElementById(id);
const form = byId("form");
const text = byId("text");
const file = byId("file");
const hits = byId("hits");

let search;
let picture = null;
let numQueries = 0;
let timer;

async function start() {
  byId("late").hidden = true;
  const progress = byId("progress");
  try {
    search = await Search.load(undefined, (share) => (progress.value = share));
  } catch (error) {
    fail(error);
    return;
  } finally {
    progress.remove();
  }
  const isAsked = { text: search.texts.length, file: search.pictures.length };
  text.disabled = !isAsked.text;
  file.disabled = !isAsked.file;
  text.hidden = text.disabled;
  document.querySelector("label[for=file]").hidden = file.disabled;
  listModalities();
  listen();
  say(isAsked.text ? "Ready" : "Ready. Choose a picture.");
  document.documentElement.dataset.ready = "";
  text.value = new URLSearchParams(location.search).get("q") ?? "";
  if (text.value.trim()) ask();
  text.focus();
}

/** Buttons for what to find, where there is a choice. */
function listModalities() {
  const names = search.modalities;
  if (names.length < 2) return;
  for (const name of ["", ...names]) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "radio";
    input.name = "modality";
    input.value = name;
    input.checked = !name;
    label.append(input, name || "automatic");
    byId("modalities").append(label);
  }
  byId("modalities").hidden = false;
}

function listen() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  text.addEventListener("input", () => {
    setPicture(null);
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  });
  file.addEventListener("change", () => {
    if (file.files.length) askFor(file.files[0]);
    file.value = "";
  });
  byId("modalities").addEventListener("change", ask);
  byId("clear").addEventListener("click", () => {
    setPicture(null);
    ask();
    text.focus();
  });
  document.addEventListener("paste", (event) => {
    const found = pictureOf(event.clipboardData);
    if (found) askFor(found);
  });
  listenToDrops();
}

function listenToDrops() {
  const drop = byId("drop");
  let depth = 0; // Enter and leave come for each element on the way.
  const hasFiles = (event) => event.dataTransfer.types.includes("Files");
  document.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth++;
    drop.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (hasFiles(event) && --depth === 0) drop.hidden = true;
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    drop.hidden = true;
    const found = event.dataTransfer.files[0];
    if (found) askFor(found);
  });
}

function pictureOf(data) {
  return [...data.files].find((found) => found.type.startsWith("image/"));
}

function askFor(found) {
  if (file.disabled) {
    fail(new Error("No pictures can be searched for here, only words."));
    return;
  }
  text.value = "";
  setPicture(found);
  ask();
}

function setPicture(found) {
  const preview = byId("preview");
  if (picture) URL.revokeObjectURL(preview.src);
  picture = found;
  byId("query").hidden = !found;
  if (!found) return;
  preview.src = URL.createObjectURL(found);
  byId("name").textContent = found.name;
}

/** Search for what is in the form, and show what is found. */
async function ask() {
  clearTimeout(timer);
  const number = ++numQueries;
  const words = text.value;
  const modality = new FormData(form).get("modality") || undefined;
  remember(words);
  byId("error").hidden = true;
  if (!picture && !words.trim()) {
    hits.replaceChildren();
    say("");
    return;
  }
  hits.ariaBusy = "true";
  const options = { k: NUM_HITS, modality };
  const begin = performance.now();
  try {
    const result = await (picture
      ? search.findPicture(picture, options)
      : search.findText(words, options));
    const milliseconds = performance.now() - begin;
    if (number === numQueries) show(result, milliseconds);
  } catch (error) {
    if (number === numQueries) fail(error);
  } finally {
    if (number === numQueries) hits.ariaBusy = "false";
  }
}

function show(result, milliseconds) {
  hits.replaceChildren(...result.hits.map((hit) => item(result.modality, hit)));
  hits.classList.toggle("pictures", hits.querySelector(".thumbnail") !== null);
  const time = milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds | 0;
  const warning =
    result.isKnown === false ? "The model knows none of these words. " : "";
  say(
    `${warning}${result.hits.length} hits from ${result.modality}, ` +
      `in ${time} ms`,
  );
}

function item(modality, hit) {
  const entry = document.createElement("li");
  entry.dataset.id = hit.id;
  entry.dataset.score = hit.score;
  const place = search.thumbnail(modality, hit);
  if (place) entry.append(thumbnail(place));
  entry.append(element("span", "id", hit.id));
  const score = element("span", "score", hit.score.toFixed(3));
  score.title = "Cosine similarity, at most 1";
  entry.append(score);
  const meter = element("span", "meter");
  meter.style.setProperty("--share", Math.max(hit.score, 0));
  meter.ariaHidden = "true";
  entry.append(meter);
  return entry;
}

function thumbnail({ file, column, row, columns, rows }) {
  const box = element("span", "thumbnail");
  const share = (place, count) => (count > 1 ? (100 * place) / (count - 1) : 0);
  box.style.backgroundImage = `url("${file}")`;
  box.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
  box.style.backgroundPositionX = `${share(column, columns)}%`;
  box.style.backgroundPositionY = `${share(row, rows)}%`;
  return box;
}

function element(name, className, content = "") {
  const created = document.createElement(name);
  created.className = className;
  created.textContent = content;
  return created;
}

/** The words in the address, so that it can be passed on. */
function remember(words) {
  const address = new URL(location.href);
  if (words.trim()) address.searchParams.set("q", words);
  else address.searchParams.delete("q");
  history.replaceState(null, "", address);
}

function say(message) {
  byId("status").textContent = message;
}

function fail(error) {
  console.error(error);
  hits.replaceChildren();
  say("");
  byId("error").textContent = error.message;
  byId("error").hidden = false;
}

start();
