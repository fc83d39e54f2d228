// Small pictures, each with the numbers behind it as a table.

import { h, count } from "./dom.js";

const WIDTH = 600, HEIGHT = 150, LEFT = 44, BOTTOM = 20;

/** Bars, stacked: `series` are `{name, values}` of the same length as `labels`. */
export function bars(question, labels, series, unit = count) {
  const totals = labels.map((_, at) => series.reduce((sum, one) => sum + (one.values[at] ?? 0), 0));
  const top = Math.max(1, ...totals);
  const width = (WIDTH - LEFT) / Math.max(1, labels.length);
  const drawn = labels.flatMap((label, at) => {
    let below = 0;
    return series.map((one, number) => {
      const value = one.values[at] ?? 0;
      const tall = (value / top) * (HEIGHT - BOTTOM - 8);
      below += tall;
      return value > 0 && h("rect", {
        x: LEFT + at * width + 0.5, y: HEIGHT - BOTTOM - below, width: Math.max(1, width - 1), height: tall,
        fill: `var(--s${(number % 6) + 1})`,
      }, h("title", {}, `${label}: ${one.name} ${unit(value)}`));
    });
  });
  return figure(question, labels, series, drawn, top, unit);
}

/** Lines: as `bars`, not stacked; where a value is `null` the line is broken. */
export function lines(question, labels, series, unit = count) {
  const top = Math.max(1e-9, ...series.flatMap((one) => one.values.map((value) => value ?? 0)));
  const x = (at) => LEFT + (at + 0.5) * ((WIDTH - LEFT) / Math.max(1, labels.length));
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - 8);
  const drawn = series.map((one, number) => {
    const path = one.values.map((value, at) => (value === null || value === undefined ? "" :
      `${at === 0 || one.values[at - 1] === null ? "M" : "L"}${x(at).toFixed(1)},${y(value).toFixed(1)}`)).join("");
    return h("path", { d: path || "M0,0", fill: "none", stroke: `var(--s${(number % 6) + 1})`, "stroke-width": 2 });
  });
  return figure(question, labels, series, drawn, top, unit);
}

/** What happened from when to when: `spans` are `{name, from, to, busy}` in milliseconds; pauses are paler. */
export function waterfall(question, took, spans, unit) {
  const ROW = 22, NAME = 150;
  const end = Math.max(1, took ?? 0, ...spans.map((one) => one.to));
  const x = (ms) => NAME + (ms / end) * (WIDTH - NAME);
  const tall = spans.length * ROW + BOTTOM;
  const drawn = spans.flatMap((one, at) => {
    const whole = Math.max(1, x(one.to) - x(one.from));
    const fill = `var(--s${(at % 6) + 1})`;
    const told = h("title", {}, `${one.name}: ${unit(one.busy)} between ${unit(one.from)} and ${unit(one.to)}`);
    return [
      h("text", { x: 0, y: at * ROW + 15 }, one.name),
      h("rect", { x: x(one.from), y: at * ROW + 3, width: whole, height: ROW - 6, fill, opacity: 0.3 }, told),
      h("rect", { x: x(one.from), y: at * ROW + 3, width: Math.min(whole, Math.max(1, x(one.busy) - x(0))), height: ROW - 6, fill }, told.cloneNode(true)),
    ];
  });
  const axis = [
    h("line", { class: "axis", x1: NAME, x2: WIDTH, y1: tall - BOTTOM, y2: tall - BOTTOM }),
    h("text", { x: NAME, y: tall - 5 }, "0"),
    h("text", { x: WIDTH, y: tall - 5, "text-anchor": "end" }, unit(end)),
  ];
  return h("figure", { class: "card", key: question },
    h("figcaption", {}, question),
    h("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${tall}`, role: "img", "aria-label": `${question} The numbers are in the table below.` }, axis, drawn),
    h("details", {}, h("summary", {}, "As a table"), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": question }, h("table", {},
      h("thead", {}, h("tr", {}, ["work", "from", "to", "in all"].map((name, at) => h("th", { scope: "col", class: at > 0 && "number" }, name)))),
      h("tbody", {}, spans.map((one) => h("tr", {}, h("td", {}, one.name), [one.from, one.to, one.busy].map((ms) => h("td", { class: "number" }, unit(ms))))))))));
}

function figure(question, labels, series, drawn, top, unit) {
  const none = series.every((one) => one.values.every((value) => !value));
  const axis = [
    h("line", { class: "axis", x1: LEFT, x2: WIDTH, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }),
    h("text", { x: 0, y: 14 }, unit(top)),
    h("text", { x: LEFT, y: HEIGHT - 5 }, labels[0] ?? ""),
    h("text", { x: WIDTH, y: HEIGHT - 5, "text-anchor": "end" }, labels.at(-1) ?? ""),
  ];
  return h("figure", { class: "card", key: question },
    h("figcaption", {}, question),
    none ? h("p", { class: "dim" }, "Nothing in this time.") :
      h("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${question} The numbers are in the table below.` }, axis, drawn),
    h("ul", { class: "legend" }, series.map((one, number) => h("li", {},
      swatch(number), one.name))),
    h("details", {}, h("summary", {}, "As a table"), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": question }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "when"), series.map((one) => h("th", { scope: "col", class: "number" }, one.name)))),
      h("tbody", {}, labels.map((label, at) => h("tr", {}, h("td", {}, label), series.map((one) => h("td", { class: "number" }, one.values[at] === null || one.values[at] === undefined ? "-" : unit(one.values[at]))))))))));
}

function swatch(number) {
  return h("svg", { width: 12, height: 12, viewBox: "0 0 12 12", "aria-hidden": "true" },
    h("rect", { width: 12, height: 12, rx: 2, fill: `var(--s${(number % 6) + 1})` }));
}

const TALL = 210;

/** The hub in the middle and each system around it; `links` are `{name, state, lines}`. The list beside it says the same. */
export function flow(links) {
  const middle = [WIDTH / 2, TALL / 2];
  const drawn = links.map((link, at) => {
    const turn = (2 * Math.PI * at) / links.length - Math.PI;
    const [x, y] = [middle[0] + Math.cos(turn) * 230, middle[1] + Math.sin(turn) * 78];
    const color = { ok: "var(--ok)", warn: "var(--warn)", bad: "var(--bad)" }[link.state];
    return [
      h("line", { x1: middle[0], y1: middle[1], x2: x, y2: y, stroke: color, "stroke-width": link.state === "ok" ? 2 : 4, "stroke-dasharray": link.state === "bad" ? "6 5" : null }),
      link.lines.map((line, row) => h("text", { x: (x + middle[0]) / 2, y: (y + middle[1]) / 2 - 4 + row * 13, "text-anchor": "middle", class: "on" }, line)),
      h("rect", { x: x - 56, y: y - 15, width: 112, height: 30, rx: 8, class: "place" }),
      h("text", { x, y: y + 4, "text-anchor": "middle", class: "name" }, link.name.length > 16 ? `${link.name.slice(0, 15)}…` : link.name),
    ];
  });
  return h("svg", { class: "chart flow", viewBox: `0 0 ${WIDTH} ${TALL}`, role: "img", "aria-label": "How records flow between the hub and the systems; the table below says the same." },
    drawn, h("circle", { cx: middle[0], cy: middle[1], r: 26, class: "place" }), h("text", { x: middle[0], y: middle[1] + 4, "text-anchor": "middle", class: "name" }, "hub"));
}
