/** A line of values over time, in SVG. @module */

const NS = "http://www.w3.org/2000/svg";
const MARGIN = { top: 12, right: 56, bottom: 26, left: 8 };
/** What is shown, ms. */
const SPAN = 120_000;
/** Points kept: about ten a second for the time that is shown. */
const LIMIT = 1200;

function element(name, attributes = {}, ...children) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Round steps that divide a range into about four. */
function stepOf(range) {
  const rough = range / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

/** Draws the points of the last two minutes, and what is under the pointer. */
export class Chart {
  #svg;
  #points = [];
  #pointer;
  #pending = false;

  constructor(svg) {
    this.#svg = svg;
    svg.addEventListener("pointermove", ({ clientX }) => {
      this.#pointer = clientX - svg.getBoundingClientRect().left;
      this.#schedule();
    });
    svg.addEventListener("pointerleave", () => this.#leave());
    svg.addEventListener("blur", () => this.#leave());
    svg.addEventListener("keydown", (event) => this.#walk(event));
    new ResizeObserver(() => this.#schedule()).observe(svg);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#schedule());
    setInterval(() => this.#schedule(), 1000); // the time goes on where no value comes
  }

  get points() {
    return this.#points;
  }

  clear() {
    this.#points = [];
    this.#schedule();
  }

  add(time, value) {
    this.#points.push({ time, value });
    while (this.#points.length > LIMIT || this.#points[0].time < time - SPAN) this.#points.shift();
    this.#schedule();
  }

  /** Draws once for each frame, however many values come. */
  #schedule() {
    if (this.#pending) return;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      this.#draw();
    });
  }

  #leave() {
    this.#pointer = undefined;
    this.#schedule();
  }

  /** The arrow keys go from point to point. */
  #walk(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined || this.#points.length === 0) return;
    event.preventDefault();
    const { x } = this.#scales();
    const last = this.#points.length - 1;
    const index = this.#pointer === undefined ? last + (step < 0 ? 0 : 1) : this.#nearest(x);
    const next = Math.max(0, Math.min(last, index + step));
    this.#pointer = x(this.#points[next].time);
    this.#schedule();
  }

  #scales() {
    const { width, height } = this.#svg.getBoundingClientRect();
    const right = Math.max(width - MARGIN.right, 1);
    const bottom = Math.max(height - MARGIN.bottom, 1);
    const now = Date.now();
    const values = this.#points.map(({ value }) => value);
    const [min, max] = [Math.min(...values), Math.max(...values)];
    const step = stepOf(Math.max(max - min, 1));
    const low = Math.floor(min / step) * step;
    const high = Math.max(Math.ceil(max / step) * step, low + step);
    const x = (time) => MARGIN.left + (1 - (now - time) / SPAN) * (right - MARGIN.left);
    const y = (value) => bottom - (value - low) / (high - low) * (bottom - MARGIN.top);
    return { width, right, bottom, now, low, high, step, x, y };
  }

  #nearest(x) {
    let best = 0;
    this.#points.forEach(({ time }, index) => {
      const better = Math.abs(x(time) - this.#pointer) <
        Math.abs(x(this.#points[best].time) - this.#pointer);
      if (better) best = index;
    });
    return best;
  }

  #draw() {
    const points = this.#points;
    const scales = this.#scales();
    const { width, right, bottom, low, high, step, x, y } = scales;
    if (points.length === 0) {
      const text = element("text", { class: "empty", x: width / 2, y: bottom / 2 }, "No value yet");
      text.setAttribute("text-anchor", "middle");
      return this.#svg.replaceChildren(text);
    }
    const parts = [];
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    for (let value = low; value <= high + step / 2; value += step) {
      const at = y(value);
      parts.push(element("line", { class: "grid", x1: MARGIN.left, x2: right, y1: at, y2: at }));
      const label = element("text", { class: "tick", x: right + 8, y: at + 4 });
      label.textContent = value.toFixed(digits);
      parts.push(label);
    }
    const every = right - MARGIN.left < 480 ? SPAN / 2 : SPAN / 4;
    for (let ago = 0; ago <= SPAN; ago += every) {
      const at = x(scales.now - ago);
      const label = element("text", { class: "tick", x: at, y: bottom + 20 });
      label.setAttribute("text-anchor", ago === 0 ? "end" : ago === SPAN ? "start" : "middle");
      label.textContent = ago === 0 ? "now" : `${ago / 1000} s ago`;
      parts.push(label);
    }
    const path = points.map(({ time, value }) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`);
    const last = points.at(-1);
    const end = x(last.time).toFixed(1);
    parts.push(element("path", { class: "line", d: `M${path.join("L")}` }));
    parts.push(element("circle", { class: "dot", cx: end, cy: y(last.value), r: 5 }));
    if (this.#pointer !== undefined) parts.push(this.#tip(points[this.#nearest(x)], scales));
    this.#svg.replaceChildren(...parts);
  }

  /** The value under the pointer. */
  #tip({ time, value }, { right, bottom, x, y }) {
    const at = x(time);
    const [w, h] = [96, 40];
    const left = at + 12 + w > right ? at - 12 - w : at + 12;
    const top = Math.max(y(value) - h - 12, MARGIN.top);
    return element(
      "g",
      { class: "tip" },
      element("line", { class: "cursor", x1: at, x2: at, y1: MARGIN.top, y2: bottom }),
      element("circle", { class: "dot", cx: at, cy: y(value), r: 4 }),
      element("rect", { x: left, y: top, width: w, height: h, rx: 6 }),
      element("text", { x: left + 10, y: top + 17 }, `${value.toFixed(2)} °C`),
      element(
        "text",
        { class: "when", x: left + 10, y: top + 33 },
        new Date(time).toLocaleTimeString(),
      ),
    );
  }
}
