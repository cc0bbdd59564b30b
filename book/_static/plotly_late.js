// Draws the plotly figures of a page, each when it comes near the reader's eye.
// plotly.js is 4.8 MB, so it is asked for only then, and once.
"use strict";
(() => {
  const source = new URL("plotly.min.js", document.currentScript.src);
  let loading;
  const plotly = () =>
    (loading ??= new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement("script"), { src: source, onerror: reject });
      script.onload = () => resolve(window.Plotly);
      document.head.append(script);
    }));

  // Figures have no ground of their own; their words take the page's ink.
  const look = () => {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--gb-figure-ink").trim();
    const line = style.getPropertyValue("--gb-rule").trim();
    const axis = { color: ink, gridcolor: line, zerolinecolor: line, linecolor: line };
    return { ink, axis };
  };
  const themed = (layout) => {
    const { ink, axis } = look();
    const out = {
      ...layout,
      autosize: true,
      width: undefined,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { ...layout.font, color: ink, family: getComputedStyle(document.body).fontFamily },
    };
    for (const name of Object.keys({ xaxis: 0, yaxis: 0, ...layout }))
      if (/^[xy]axis\d*$/.test(name)) out[name] = { ...layout[name], ...axis };
    // A scene without settings of its own is not named in the layout.
    for (const name of Object.keys({ scene: 0, ...layout })) {
      if (!/^scene\d*$/.test(name)) continue;
      out[name] = { ...layout[name], bgcolor: "rgba(0,0,0,0)" };
      for (const a of ["xaxis", "yaxis", "zaxis"])
        out[name][a] = { ...layout[name]?.[a], ...axis, backgroundcolor: "rgba(0,0,0,0)" };
    }
    return out;
  };

  async function draw(box) {
    const { data, layout } = JSON.parse(box.querySelector("script").textContent);
    const Plotly = await plotly();
    const config = { responsive: true, displayModeBar: false };
    box.replaceChildren();
    await Plotly.newPlot(box, data, themed(layout), config);
    box.dataset.drawn = "";
    new MutationObserver(() => Plotly.react(box, box.data, themed(layout), config)).observe(
      document.documentElement,
      { attributeFilter: ["data-theme"] },
    );
  }

  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        draw(target).catch((error) => {
          target.textContent = target.ariaLabel;
          console.error(error);
        });
      }
    },
    { rootMargin: "400px" },
  );
  for (const box of document.querySelectorAll(".gb-plotly")) seen.observe(box);
})();
