// Brings the widgets saved in a page to life, without a kernel: canvases made with
// anywidget, the ipywidgets controls of the table below, and the links between them.
// A classic script, since a module does not load from file://.
"use strict";
(() => {
  const STATE = "application/vnd.jupyter.widget-state+json";
  const VIEW = "application/vnd.jupyter.widget-view+json";
  const saved = {}; // model id -> { model_name, state, buffers }
  const models = new Map(); // model id -> model
  let count = 0; // for ids that join a label to its control

  const scripts = (type) => [...document.querySelectorAll(`script[type="${type}"]`)];
  const idOf = (reference) => reference.replace("IPY_MODEL_", "");
  function make(tag, props = {}, ...children) {
    const el = Object.assign(document.createElement(tag), props);
    el.append(...children);
    return el;
  }

  // ---- Models ------------------------------------------------------------------

  // What anywidget and the views below expect of a Backbone model, and no more.
  function model(id) {
    if (models.has(id)) return models.get(id);
    if (!(id in saved)) throw new Error("it is not among the widgets saved in this page");
    const { model_name: name, state, buffers = [] } = saved[id];
    for (const { path, data } of buffers) {
      const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
      const owner = path.slice(0, -1).reduce((at, key) => at[key], state);
      owner[path.at(-1)] = new DataView(bytes.buffer);
    }
    const heard = new Map(); // event -> its listeners
    const fire = (event, ...args) => {
      for (const listener of [...(heard.get(event) ?? [])]) listener(...args);
    };
    const set = (key, value) => {
      if (Object.is(state[key], value)) return; // ends the ping-pong of two links, too
      state[key] = value;
      fire(`change:${key}`, self, value);
      fire("change", self);
    };
    const self = {
      name,
      get: (key) => state[key],
      set(key, value) {
        if (typeof key === "string") set(key, value);
        else for (const [k, v] of Object.entries(key)) set(k, v);
      },
      on(events, listener) {
        for (const event of events.split(" ")) {
          if (!heard.has(event)) heard.set(event, new Set());
          heard.get(event).add(listener);
        }
      },
      off(events, listener) {
        for (const event of events?.split(" ") ?? heard.keys()) {
          if (listener) heard.get(event)?.delete(listener);
          else heard.delete(event);
        }
      },
      save_changes() {}, // there is nobody to tell
      send() {},
      widget_manager: { get_model: async (reference) => model(idOf(reference)) },
    };
    models.set(id, self);
    if (name === "PlayModel") clock(self);
    return self;
  }

  // jslink and jsdlink: source and target are [model, trait].
  function link({ model_name: name, state }) {
    const [from, a] = state.source, [to, b] = state.target;
    const source = model(idOf(from)), target = model(idOf(to));
    source.on(`change:${a}`, () => target.set(b, source.get(a)));
    if (name === "LinkModel") target.on(`change:${b}`, () => source.set(a, target.get(b)));
    target.set(b, source.get(a));
  }

  // Play counts in its model, not in its view: shown twice, it still has one clock.
  function clock(m) {
    let timer;
    const tick = () => {
      const next = m.get("value") + m.get("step");
      if (next <= m.get("max")) m.set("value", next);
      else if (m.get("repeat")) m.set("value", m.get("min"));
      else m.set("playing", false);
    };
    const run = () => {
      clearInterval(timer);
      if (!m.get("playing")) return;
      if (m.get("value") + m.get("step") > m.get("max")) m.set("value", m.get("min"));
      timer = setInterval(tick, m.get("interval"));
    };
    m.on("change:playing change:interval", run);
    // Nothing moves by itself for a reader who asked for that.
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) m.set("playing", false);
    run();
  }

  // ---- Controls ----------------------------------------------------------------

  // Show the state now and whenever one of these traits changes.
  function keep(m, traits, show) {
    m.on(traits.split(" ").map((t) => `change:${t}`).join(" "), show);
    show();
  }

  // A row: description, control, readout. Every control has a name for a screen reader.
  function row(m, control, readout) {
    control.id = `gb-control-${++count}`;
    const label = make("label", { className: "gb-label", htmlFor: control.id });
    const el = make("div", { className: "gb-control" }, label, control);
    if (readout) {
      readout.htmlFor = control.id;
      el.append(readout);
    }
    keep(m, "description disabled tooltip", () => {
      label.textContent = m.get("description") ?? "";
      label.hidden = !label.textContent;
      control.disabled = m.get("disabled") ?? false;
      control.title = m.get("tooltip") ?? "";
      const name = control.title || m.name.replace("Model", "");
      if (label.hidden) control.setAttribute("aria-label", name);
      else control.removeAttribute("aria-label");
    });
    return el;
  }

  // The part of Python's and d3's number formats that sliders use: +, ",", .2, and one
  // of d e f g %.
  function format(value, spec) {
    const known = /^(\+?)(,?)(?:\.(\d+))?([defg%]?)$/;
    const [, plus, comma, digits, type] = known.exec(spec ?? "") ?? [];
    const n = digits === undefined ? 6 : +digits;
    const size = Math.abs(value);
    let text = String(size);
    if (type === "d") text = Math.round(size).toString();
    if (type === "e") text = size.toExponential(n);
    if (type === "f") text = size.toFixed(n);
    if (type === "%") text = `${(100 * size).toFixed(n)}%`;
    if (type === "g") text = size.toPrecision(Math.max(1, n));
    if (comma) text = text.replace(/^\d+/, (whole) => (+whole).toLocaleString("en"));
    return (value < 0 ? "−" : plus ? "+" : "") + text;
  }

  function slider(m) {
    const input = make("input", { type: "range" }), out = make("output");
    const traits = "value min max step readout readout_format";
    keep(m, traits, () => {
      input.min = m.get("min");
      input.max = m.get("max");
      input.step = m.get("step") ?? "any";
      input.value = m.get("value");
      out.textContent = format(m.get("value"), m.get("readout_format"));
      out.hidden = m.get("readout") === false;
    });
    const event = m.get("continuous_update") === false ? "change" : "input";
    input.addEventListener(event, () => m.set("value", +input.value));
    return row(m, input, out);
  }

  function selectionSlider(m) {
    const input = make("input", { type: "range", min: 0 }), out = make("output");
    keep(m, "index _options_labels readout", () => {
      const labels = m.get("_options_labels");
      input.max = labels.length - 1;
      input.value = m.get("index");
      out.textContent = labels[m.get("index")];
      out.hidden = m.get("readout") === false;
      input.setAttribute("aria-valuetext", out.textContent);
    });
    const event = m.get("continuous_update") === false ? "change" : "input";
    input.addEventListener(event, () => m.set("index", +input.value));
    return row(m, input, out);
  }

  function dropdown(m) {
    const select = make("select");
    keep(m, "_options_labels", () => {
      const options = m.get("_options_labels");
      select.replaceChildren(...options.map((text) => make("option", { textContent: text })));
    });
    keep(m, "index _options_labels", () => { select.selectedIndex = m.get("index") ?? -1; });
    select.addEventListener("change", () => m.set("index", select.selectedIndex));
    return row(m, select);
  }

  // One of several: radio buttons, so that the arrow keys choose.
  function toggleButtons(m) {
    const name = `gb-toggle-${++count}`;
    const label = make("span", { className: "gb-label", id: `${name}-label` });
    const choices = make("div", { className: "gb-choices" });
    choices.setAttribute("role", "radiogroup");
    choices.setAttribute("aria-labelledby", label.id);
    keep(m, "_options_labels", () => {
      const tips = m.get("tooltips") ?? [];
      choices.replaceChildren(...m.get("_options_labels").map((text, i) => {
        const radio = make("input", { type: "radio", name });
        radio.addEventListener("change", () => m.set("index", i));
        return make("label", { title: tips[i] ?? "" }, radio, make("span", { textContent: text }));
      }));
    });
    keep(m, "index description disabled _options_labels", () => {
      label.textContent = m.get("description") ?? "";
      label.hidden = !label.textContent;
      choices.querySelectorAll("input").forEach((radio, i) => {
        radio.checked = i === m.get("index");
        radio.disabled = m.get("disabled") ?? false;
      });
    });
    return make("div", { className: "gb-control" }, label, choices);
  }

  function checkbox(m) {
    const input = make("input", { type: "checkbox" });
    keep(m, "value", () => { input.checked = m.get("value"); });
    input.addEventListener("change", () => m.set("value", input.checked));
    const el = row(m, input);
    el.append(el.firstChild); // the box first, then its words
    el.classList.add("gb-checkbox");
    return el;
  }

  function play(m) {
    const toggle = make("button", { type: "button" });
    const reset = make("button", { type: "button", textContent: "↺" });
    reset.setAttribute("aria-label", "Back to the start");
    keep(m, "playing disabled", () => {
      toggle.textContent = m.get("playing") ? "❚❚" : "▶";
      toggle.setAttribute("aria-label", m.get("playing") ? "Pause" : "Play");
      toggle.disabled = reset.disabled = m.get("disabled") ?? false;
    });
    toggle.addEventListener("click", () => m.set("playing", !m.get("playing")));
    reset.addEventListener("click", () => m.set({ playing: false, value: m.get("min") }));
    return make("div", { className: "gb-control gb-play" }, toggle, reset);
  }

  const box = (className) => (m) => {
    const el = make("div", { className });
    keep(m, "children", () => el.replaceChildren(...m.get("children").map((c) => view(idOf(c)))));
    return el;
  };

  // The book's authors write these values, as they write the page: they are trusted.
  function html(m) {
    const el = make("div", { className: "gb-html" });
    keep(m, "value", () => { el.innerHTML = m.get("value"); });
    return el;
  }

  function text(m) {
    const el = make("div", { className: "gb-text" });
    keep(m, "value", () => { el.textContent = m.get("value"); });
    return el;
  }

  // ---- anywidget ---------------------------------------------------------------

  const modules = new Map(); // source -> promise of the widget it defines
  const begun = new Map(); // model -> promise that it is initialised
  const styles = new Set();

  function load(source) {
    if (!modules.has(source)) {
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      modules.set(source, import(url).then(async ({ default: widget }) =>
        typeof widget === "function" ? widget() : widget));
    }
    return modules.get(source);
  }

  function canvas(m) {
    const el = make("div", { className: "gb-any" });
    const css = m.get("_css");
    if (css && !styles.has(css)) {
      styles.add(css);
      document.head.append(make("style", { textContent: css }));
    }
    // A view lives as long as its page, so nobody calls the clean-up it may return.
    const signal = new AbortController().signal, experimental = {};
    load(m.get("_esm")).then(async (widget) => {
      if (!begun.has(m)) begun.set(m, widget.initialize?.({ model: m, signal, experimental }));
      await begun.get(m);
      await widget.render?.({ model: m, el, signal, experimental });
    }).catch((error) => fail(el, error));
    return el;
  }

  // ---- The page ----------------------------------------------------------------

  const VIEWS = {
    AnyModel: canvas,
    IntSliderModel: slider,
    FloatSliderModel: slider,
    SelectionSliderModel: selectionSlider,
    DropdownModel: dropdown,
    ToggleButtonsModel: toggleButtons,
    CheckboxModel: checkbox,
    PlayModel: play,
    BoxModel: box("gb-box"),
    HBoxModel: box("gb-hbox"),
    VBoxModel: box("gb-vbox"),
    HTMLModel: html,
    LabelModel: text,
  };
  const LINKS = ["LinkModel", "DirectionalLinkModel"];
  const SILENT = ["LayoutModel", "SliderStyleModel", "DescriptionStyleModel",
    "ToggleButtonsStyleModel", "CheckboxStyleModel", "HTMLStyleModel", "LabelStyleModel"];

  function fail(el, error) {
    el.textContent = `This figure could not start: ${error.message}.`;
    el.classList.add("gb-failed");
    console.error(error);
  }

  function view(id) {
    try {
      const m = model(id);
      if (!Object.hasOwn(VIEWS, m.name)) {
        throw new Error(`the page does not know the widget ${m.name}`);
      }
      const el = VIEWS[m.name](m);
      // Layout traits are CSS properties with another spelling.
      const layout = m.get("layout") ? saved[idOf(m.get("layout"))]?.state : {};
      for (const [key, value] of Object.entries(layout ?? {})) {
        if (key.startsWith("_") || value === null) continue;
        el.style.setProperty(key.replaceAll("_", "-"), value);
      }
      el.classList.add(...(m.get("_dom_classes") ?? []));
      return el;
    } catch (error) {
      const el = make("p");
      fail(el, error);
      return el;
    }
  }

  function start() {
    for (const s of scripts(STATE)) Object.assign(saved, JSON.parse(s.textContent).state);
    for (const s of Object.values(saved)) {
      if (!LINKS.includes(s.model_name)) continue;
      try { link(s); } catch (error) { console.error("A link could not be made:", error); }
    }
    for (const s of scripts(VIEW)) {
      const el = view(JSON.parse(s.textContent).model_id);
      el.classList.add("gb-widget");
      s.replaceWith(el);
    }
  }

  // For the tests, and for a reader who opens the console.
  const known = [...Object.keys(VIEWS), ...LINKS, ...SILENT];
  globalThis.genbook = { model, models, format, known };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
