// What the pages do beyond links and forms: the throughput curve, what is read aloud, copying, the times of
// trajectories, drafts. Nothing depends on it.
"use strict";

const SPOKEN_STEP = 10;
const HOUR = 3600, MINUTE = 60;

function span(seconds) {
  if (seconds >= 2 * HOUR) return `${+(seconds / HOUR).toFixed(1)} h`;
  if (seconds >= 2 * MINUTE) return `${+(seconds / MINUTE).toFixed(1)} min`;
  return `${+seconds.toFixed(1)} s`;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// The throughput curve of a job: what its shards tell of the past, then the rate of every event.
let curve = null;

function drawRates() {
  const place = document.getElementById("rates");
  curve?.plot.destroy();
  curve = null;
  if (!place) return;
  const pairs = JSON.parse(place.dataset.rates);
  const data = [pairs.map((pair) => pair[0]), pairs.map((pair) => pair[1])];
  place.replaceChildren();
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const options = {
    width: place.clientWidth, height: 180, legend: { show: false }, cursor: { drag: { x: false, y: false } },
    scales: { x: { time: false }, y: { range: (plot, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [{ ...axis, space: 70, values: (plot, ticks) => ticks.map(span) }, { ...axis, size: 56 }],
    series: [{}, { stroke: colour("--accent"), width: 2, fill: colour("--wash"), points: { show: pairs.length < 3 } }],
  };
  curve = { place, data, plot: new uPlot(options, data, place) };
  place.setAttribute("role", "img");
  const last = pairs.length ? pairs[pairs.length - 1][1] : 0;
  place.setAttribute("aria-label", pairs.length ? `Throughput over time, last ${last} samples per second` : "No throughput yet");
}

function addRate(job) {
  if (!curve || job.samples_per_second === null) return;
  curve.data[0].push(Date.now() / 1000 - Number(curve.place.dataset.began));
  curve.data[1].push(job.samples_per_second);
  curve.plot.setData(curve.data);
}

// Progress is read aloud in steps, not with every event.
function speak(job) {
  const place = document.getElementById("spoken");
  if (!place || job.status !== "running") return;
  const text = `Running, ${Math.floor(job.progress / SPOKEN_STEP) * SPOKEN_STEP} percent`;
  if (place.textContent !== text) place.textContent = text;
}

document.addEventListener("job", (event) => {
  const job = JSON.parse(event.detail.data);
  addRate(job);
  speak(job);
});

function showCopying() {
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  document.getElementById("copied").textContent = "Copied";
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1500);
});

// The pictures of a trajectory: the slider asks for one at a time, the last that was wanted.
const AGAIN_MS = 2000;
const wanted = new Map();

function timeWords(slider) {
  const times = JSON.parse(slider.closest("[data-times]").dataset.times);
  const beyond = Number(slider.value) > Number(slider.dataset.last);
  return { beyond, text: `t = ${times[slider.value]}${beyond ? `, beyond valid_until = ${slider.dataset.until}: not certified` : ""}` };
}

function showTime(slider) {
  const { beyond, text } = timeWords(slider);
  const said = document.getElementById(slider.form.querySelector("output").id);
  said.textContent = text;
  said.classList.toggle("fault", beyond);
  slider.setAttribute("aria-valuetext", text);
  const image = slider.closest("figure").querySelector("img");
  image.alt = image.alt.replace(/, t = .*$/, `, ${text}`);
  const busy = wanted.has(image);
  wanted.set(image, slider.value);
  if (!busy) askFor(image);
}

function askFor(image) {
  const frame = wanted.get(image);
  const go = () => (wanted.get(image) === frame ? wanted.delete(image) : askFor(image));
  image.onload = go;
  image.onerror = () => setTimeout(askFor, AGAIN_MS, image);
  image.loading = "eager";
  const source = image.parentElement.querySelector("source");
  const at = (url) => url.replace(/frame=\d+/, `frame=${frame}`);
  source.srcset = at(source.srcset);
  image.src = at(image.src);
  if (image.complete && image.naturalWidth && image.currentSrc.includes(`frame=${frame}&`)) go();
}

document.addEventListener("input", (event) => {
  if (event.target.matches(".times input[type=range]")) showTime(event.target);
});

// What was typed in and not sent: kept for this tab until the key is forgotten, and there again on going back.
function entries(form) {
  return [...new FormData(form)].filter(([name]) => name !== "action");
}

function keepDraft() {
  const form = document.querySelector("form[data-draft]");
  if (form && history.state?.draft) sessionStorage.setItem(history.state.draft, JSON.stringify(entries(form)));
}

async function bringDraft(form, kept) {
  const fields = document.getElementById("fields");
  if (fields) {
    const answer = await fetch("/new/fields", { method: "POST", body: new URLSearchParams(kept) });
    if (!answer.ok) return;
    fields.innerHTML = await answer.text();
    htmx.process(fields);
  }
  for (const [name, value] of kept) {
    const control = form.elements.namedItem(name);
    if (control) control.value = value;
  }
  fields?.dispatchEvent(new Event("change", { bubbles: true }));
}

function beginDraft() {
  const form = document.querySelector("form[data-draft]");
  if (!form) return;
  const kept = history.state?.draft && sessionStorage.getItem(history.state.draft);
  if (kept) {
    // A plain form that differs already holds what the browser has put back, or what was typed before this ran.
    const touched = [...form.elements].some((control) => "defaultValue" in control && control.value !== control.defaultValue);
    if (touched && !document.getElementById("fields")) keepDraft();
    else bringDraft(form, JSON.parse(kept));
    return;
  }
  const draft = `draft ${Date.now()} ${Math.random()}`;
  history.replaceState({ ...history.state, draft }, "", form.dataset.draft);
  keepDraft();
}

document.addEventListener("input", keepDraft);
document.addEventListener("change", keepDraft);
document.addEventListener("htmx:after:swap", keepDraft);
document.addEventListener("submit", (event) => {
  if (event.target.matches(".forget")) sessionStorage.clear();
});

function begin() {
  drawRates();
  showCopying();
}

document.documentElement.classList.add("scripted");
begin();
beginDraft();
document.addEventListener("htmx:after:swap", () => {
  if (!curve?.place.isConnected) begin();
});
window.addEventListener("resize", () => curve?.plot.setSize({ width: curve.place.clientWidth, height: 180 }));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawRates);
