// The light curve that answers to mouse, touch and keys. The server draws the same state as SVG, which is there first,
// without scripts, and on paper.
"use strict";
(() => {
  const BANDS = ["u", "g", "r", "i", "z", "y", "other"];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const bandName = (code) => (code < 0 ? "other" : BANDS[code]);

  async function mount(section) {
    if (!section || section.dataset.mounted || !window.uPlot) return;
    section.dataset.mounted = "yes";
    const figure = section.querySelector("figure"), page = window.broker;
    let points;
    page.busy(figure);
    try {
      const answer = await fetch(section.dataset.points, { cache: "no-store" });
      if (!answer.ok) throw new Error("the server answered " + answer.status);
      points = await answer.json();
    } catch (error) {
      const why = error instanceof TypeError ? "the server cannot be reached" : error.message;
      // The drawing of the server stays.
      page.trouble(section, "The chart cannot be zoomed: " + why + ". The drawing is complete.", (event) => {
        event.target.parentElement.remove();
        delete section.dataset.mounted;
        mount(section);
      });
      return;
    } finally {
      page.idle(figure);
    }
    if (points.x.length) new Curve(section, points);
  }

  class Curve {
    constructor(section, points) {
      this.section = section;
      this.points = points;
      this.live = section.querySelector(".live");
      this.pinned = section.querySelector(".pinned");
      this.zoom = section.querySelector(".zoom");
      this.magnitudes = points.axes.y === "mag";
      this.chosen = -1;
      // Detections lie above forced photometry of the same exposure, which lies above limits.
      const rank = (row) => (points.limit[row] ? 0 : points.forced[row] ? 1 : 2);
      this.order = points.x.map((_, row) => row).sort((a, b) => rank(a) - rank(b));
      this.paths = points.symbols.map((path) => new Path2D(path));
      this.whole = null;
      this.height = () => (innerWidth < 640 ? 280 : 400);
      this.draw();
      section.querySelectorAll(".still").forEach((still) => (still.hidden = true));
      this.live.hidden = false;
      this.zoom.hidden = false;
      this.plot.setSize({ width: this.live.clientWidth, height: this.height() });
      this.listen();
    }

    draw() {
      const { points } = this, self = this;
      const axis = { stroke: css("--ink"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--edge"), width: 1, size: 4 }, font: "13px system-ui, sans-serif", labelFont: "13px system-ui, sans-serif" };
      const minus = (text) => text.replace("-", "−");
      const labels = { flux: "difference flux (nJy)", mag: "difference magnitude (AB)", total: "total flux (nJy)" };
      const ago = points.axes.x === "ago";
      const decimals = (values) => {
        const step = values.length > 1 ? Math.abs(values[1] - values[0]) : 1;
        for (let digits = 0; digits < 6; digits++) {
          const shifted = step * 10 ** digits;
          if (Math.abs(shifted - Math.round(shifted)) < 1e-6) return digits;
        }
        return 6;
      };
      this.shift = ago ? points.now : 0;
      const x = points.x.map((value) => value - this.shift);
      this.x = x;
      const range = points.x_range.map((value) => value - this.shift);
      this.plot = new uPlot(
        {
          width: Math.max(this.live.clientWidth, 300), height: this.height(),
          legend: { show: false },
          cursor: { x: false, y: false, points: { show: false }, drag: { x: true, y: false, dist: 5 } },
          scales: {
            x: { time: false, range: (u, low, high) => (self.ready ? [low, high] : range) },
            y: { dir: this.magnitudes ? -1 : 1, range: () => points.y_range },
          },
          axes: [
            { ...axis, space: 90, label: ago ? "days ago" : "MJD (TAI)", labelSize: 20, size: 34, values: (u, ticks) => ticks.map((tick) => minus((ago ? -tick : tick).toFixed(decimals(ticks)))) },
            { ...axis, label: points.label || labels[points.axes.y], labelSize: 20, size: 62, values: (u, ticks) => ticks.map((tick) => minus(self.short(tick, ticks, decimals(ticks)))) },
            { ...axis, scale: "x", side: 0, space: 110, grid: { show: false }, size: 26, gap: 2, values: (u, ticks) => ticks.map((tick) => self.date(tick)) },
          ],
          series: [{}, { points: { show: false }, paths: () => null }],
          hooks: {
            draw: [(u) => self.marks(u)],
            setScale: [(u, key) => { if (key === "x" && self.ready) self.moved(u); }],
            ready: [() => { self.ready = true; }],
          },
        },
        [x, points.y], this.live,
      );
      this.whole = range;
    }

    short(value, ticks, digits) {
      const largest = Math.max(...ticks.map(Math.abs));
      if (value !== 0 && largest >= 1e6) return (value / 1e6).toLocaleString("en", { maximumFractionDigits: 2 }) + "M";
      if (value !== 0 && largest >= 1e4) return (value / 1e3).toLocaleString("en", { maximumFractionDigits: 2 }) + "k";
      return value.toFixed(digits);
    }

    date(x) {
      // Midnight of TAI is 37 s before that of UTC, and has the date of the day that begins.
      const moment = new Date((x + this.shift - 40587) * 86400e3);
      return isNaN(moment) ? "" : moment.toISOString().slice(0, 10);
    }

    marks(u) {
      const { ctx } = u, { points } = this, ratio = devicePixelRatio || 1;
      const { left, top, width, height } = u.bbox;
      const colours = Object.fromEntries(BANDS.map((band) => [band, css(band === "other" ? "--faint" : "--band-" + band)]));
      const outline = css("--outline"), panel = css("--panel"), ink = css("--ink"), accent = css("--accent");
      ctx.save();
      ctx.beginPath();
      ctx.rect(left, top, width, height);
      ctx.clip();
      if (!this.magnitudes) {
        const zero = u.valToPos(0, "y", true);
        ctx.strokeStyle = css("--edge");
        ctx.lineWidth = ratio;
        ctx.beginPath(); ctx.moveTo(left, zero); ctx.lineTo(left + width, zero); ctx.stroke();
      }
      const [low, high] = points.y_range, { min, max } = u.scales.x;
      for (const row of this.order) {
        if (this.x[row] < min || this.x[row] > max) continue;
        const px = u.valToPos(this.x[row], "x", true), value = points.y[row];
        const colour = colours[bandName(points.band[row])];
        ctx.strokeStyle = colour;
        ctx.lineWidth = 1.2 * ratio;
        if (value < low || value > high) {
          const above = value > high !== this.magnitudes;
          ctx.lineWidth = 2.5 * ratio;
          ctx.beginPath(); ctx.moveTo(px, above ? top : top + height); ctx.lineTo(px, above ? top + 6 * ratio : top + height - 6 * ratio); ctx.stroke();
          continue;
        }
        const py = u.valToPos(value, "y", true);
        if (points.limit[row]) {
          ctx.save(); ctx.translate(px, py); ctx.scale(ratio, ratio); ctx.lineWidth = 1.2;
          ctx.stroke(LIMIT); ctx.restore();
        } else {
          const error = points.error[row];
          if (error > 0) {
            ctx.beginPath(); ctx.moveTo(px, u.valToPos(value - error, "y", true)); ctx.lineTo(px, u.valToPos(value + error, "y", true)); ctx.stroke();
          }
          ctx.save(); ctx.translate(px, py); ctx.scale(ratio, ratio);
          const path = this.paths[points.band[row] < 0 ? 6 : points.band[row]], hollow = points.forced[row];
          ctx.fillStyle = hollow ? panel : colour;
          ctx.fill(path);
          ctx.lineWidth = hollow ? 1.5 : 1;
          ctx.strokeStyle = hollow ? colour : outline;
          ctx.stroke(path);
          if (points.survey[row] === "ztf") {
            ctx.fillStyle = hollow ? ink : "#fff";
            ctx.beginPath(); ctx.arc(0, 0, 1.3, 0, 7); ctx.fill();
          }
          ctx.restore();
        }
        if (row === this.chosen) {
          ctx.strokeStyle = accent; ctx.lineWidth = 2 * ratio;
          ctx.beginPath(); ctx.arc(px, py, 9 * ratio, 0, 7); ctx.stroke();
        }
      }
      // Where filters were passed: on the axis, not lines over points.
      ctx.strokeStyle = css("--good");
      ctx.lineWidth = 2 * ratio;
      for (const [time] of points.matches || []) {
        if (time - this.shift < min || time - this.shift > max) continue;
        const at = u.valToPos(time - this.shift, "x", true), foot = top + height, head = foot - 10 * ratio;
        ctx.beginPath(); ctx.moveTo(at, foot); ctx.lineTo(at, head); ctx.moveTo(at - 3 * ratio, head); ctx.lineTo(at + 3 * ratio, head); ctx.stroke();
      }
      ctx.restore();
      const first = points.first - this.shift;
      if (points.first !== null && first >= min && first <= max) {
        ctx.fillStyle = accent;
        const at = u.valToPos(first, "x", true), foot = top + height;
        ctx.beginPath(); ctx.moveTo(at, foot); ctx.lineTo(at - 4 * ratio, foot + 8 * ratio); ctx.lineTo(at + 4 * ratio, foot + 8 * ratio); ctx.fill();
      }
    }

    moved(u) {
      const [low, high] = [u.scales.x.min + this.shift, u.scales.x.max + this.shift];
      const whole = Math.abs(u.scales.x.min - this.whole[0]) < 1e-6 && Math.abs(u.scales.x.max - this.whole[1]) < 1e-6;
      const had = new URL(location).searchParams.has("t");
      if (whole && !had) return;
      const text = `${+low.toFixed(5)}:${+high.toFixed(5)}`;
      clearTimeout(this.writing);
      this.writing = setTimeout(() => {
        const address = new URL(location);
        address.searchParams.set("t", text);
        history.replaceState(history.state, "", address);
        for (const form of this.section.querySelectorAll(".tools form")) {
          let field = form.querySelector('input[name="t"]');
          if (!field) {
            field = Object.assign(document.createElement("input"), { type: "hidden", name: "t" });
            form.append(field);
          }
          field.value = text;
        }
        for (const link of this.section.querySelectorAll("a[download]")) {
          const target = new URL(link.href);
          target.searchParams.set("t", text);
          link.href = target;
        }
      }, 150);
    }

    set(low, high) {
      this.plot.setScale("x", { min: low, max: high });
    }

    act(what) {
      const { min, max } = this.plot.scales.x, span = max - min, middle = (min + max) / 2;
      if (what === "in") this.set(middle - span / 4, middle + span / 4);
      if (what === "out") this.set(middle - span, middle + span);
      if (what === "left") this.set(min - span / 4, max - span / 4);
      if (what === "right") this.set(min + span / 4, max + span / 4);
      if (what === "reset") {
        const all = this.x, margin = Math.max((all[all.length - 1] - all[0]) * 0.03, 0.5);
        this.set(all[0] - margin, all[all.length - 1] + margin);
      }
    }

    nearest(event) {
      const area = this.plot.over.getBoundingClientRect();
      const [mx, my] = [event.clientX - area.left, event.clientY - area.top];
      let best = -1, least = 24 * 24;
      for (let row = 0; row < this.x.length; row++) {
        const dx = this.plot.valToPos(this.x[row], "x") - mx;
        if (dx * dx > least) continue;
        const value = Math.min(Math.max(this.points.y[row], this.points.y_range[0]), this.points.y_range[1]);
        const dy = this.plot.valToPos(value, "y") - my, distance = dx * dx + dy * dy;
        if (distance < least) { least = distance; best = row; }
      }
      return best;
    }

    show(row) {
      if (row === this.chosen) return;
      this.chosen = row;
      this.plot.redraw(false, false);
      this.pinned.replaceChildren();
      if (row < 0) return;
      const { points } = this, magnitudes = this.magnitudes;
      const digits = magnitudes ? 3 : 1, error = points.error[row];
      const value = (points.limit[row] ? (magnitudes ? "> " : "< ") : "") + points.y[row].toFixed(digits) + (error > 0 ? " ± " + error.toFixed(digits) : "") + (magnitudes ? " mag" : " nJy");
      const kind = points.limit[row] ? "limit" : points.forced[row] ? "forced" : "detection";
      const parts = [`${bandName(points.band[row])} ${points.survey[row]} ${kind} ${value}`, `MJD ${points.x[row].toFixed(5)}`, `${points.utc[row]} UTC`, `${(points.now - points.x[row]).toFixed(1)} days ago`];
      if (points.snr[row] !== null) parts.push(`SNR ${points.snr[row]}`);
      if (points.reliability[row] !== null) parts.push(`reliability ${points.reliability[row]}`);
      const passed = points.detected[row] && !points.forced[row] && (points.matches || []).find(([time]) => Math.abs(time - points.x[row]) < 1e-7);
      if (passed) parts.push(`passed ${passed[1]}`);
      parts.push(`id ${points.id[row]}`);
      this.pinned.append(parts.join(" · "));
      if (points.sources) this.link(" source", points.sources + points.id[row]);
      else if (points.detected[row] && !points.forced[row]) {
        const base = location.pathname;
        if (points.stamps[row]) this.link(" stamps", `${base}?s=${points.id[row]}#stamps`);
        this.link(" why", `${base}why/?source=${points.id[row]}`);
      }
    }

    link(text, address) {
      const link = document.createElement("a");
      link.href = address;
      link.textContent = text;
      this.pinned.append(" ", link);
    }

    listen() {
      const over = this.plot.over;
      over.addEventListener("mousemove", (event) => { if (!this.held && !event.buttons) this.show(this.nearest(event)); });
      over.addEventListener("click", (event) => {
        const row = this.nearest(event);
        this.held = row >= 0;
        this.show(row);
      });
      over.addEventListener("dblclick", () => this.act("reset"));
      this.live.addEventListener("wheel", (event) => {
        if (!event.ctrlKey) return;
        event.preventDefault();
        this.act(event.deltaY < 0 ? "in" : "out");
      }, { passive: false });
      this.zoom.addEventListener("click", (event) => { if (event.target.dataset.do) this.act(event.target.dataset.do); });
      this.live.tabIndex = 0;
      this.live.setAttribute("role", "application");
      this.live.setAttribute("aria-label", "Light curve: arrow keys go from point to point, plus and minus zoom, 0 resets");
      this.live.addEventListener("keydown", (event) => this.key(event));
      const watch = new ResizeObserver(() => this.plot.setSize({ width: Math.max(this.live.clientWidth, 200), height: this.height() }));
      watch.observe(this.section);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
        this.plot.destroy();
        this.ready = false;
        this.draw();
      });
      const png = this.section.querySelector("[data-png]");
      if (png) png.addEventListener("click", () => this.png());
    }

    key(event) {
      const { points } = this, last = points.x.length - 1;
      const steps = { ArrowLeft: -1, ArrowRight: 1 }, bands = { ArrowUp: 1, ArrowDown: -1 };
      if (event.key in steps) {
        this.held = true;
        this.show(this.chosen < 0 ? (steps[event.key] > 0 ? 0 : last) : Math.min(Math.max(this.chosen + steps[event.key], 0), last));
      } else if (event.key in bands && this.chosen >= 0) {
        this.held = true;
        const there = [...new Set(points.band)].sort((a, b) => a - b);
        const wanted = there[(there.indexOf(points.band[this.chosen]) + bands[event.key] + there.length) % there.length];
        let best = -1;
        for (let row = 0; row <= last; row++) {
          if (points.band[row] === wanted && (best < 0 || Math.abs(points.x[row] - points.x[this.chosen]) < Math.abs(points.x[best] - points.x[this.chosen]))) best = row;
        }
        this.show(best);
      } else if (event.key === "+" || event.key === "=") this.act("in");
      else if (event.key === "-") this.act("out");
      else if (event.key === "0") this.act("reset");
      else if (event.key === "Escape") { this.held = false; this.show(-1); this.live.blur(); }
      else return;
      event.preventDefault();
    }

    async png() {
      const target = this.section.querySelector('a[download$=".svg"]').href;
      const text = await (await fetch(target)).text();
      const image = new Image();
      image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = image.width * 2;
      canvas.height = image.height * 2;
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      const link = document.createElement("a");
      link.href = canvas.toDataURL("image/png");
      link.download = this.section.dataset.name + ".png";
      link.click();
    }
  }

  const LIMIT = new Path2D("M-4 0h8m-4 0v9m-2.5 -3l2.5 3l2.5 -3");
  const all = () => document.querySelectorAll("#curve").forEach(mount);
  document.addEventListener("DOMContentLoaded", all);
  document.addEventListener("htmx:afterSettle", all);
})();
