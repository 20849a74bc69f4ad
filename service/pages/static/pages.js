// What the pages do beyond links and forms: the throughput curve, what is read aloud, copying. Nothing depends on it.
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

function begin() {
  drawRates();
  showCopying();
}

document.documentElement.classList.add("scripted");
begin();
document.addEventListener("htmx:after:swap", () => {
  if (!curve?.place.isConnected) begin();
});
window.addEventListener("resize", () => curve?.plot.setSize({ width: curve.place.clientWidth, height: 180 }));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawRates);
