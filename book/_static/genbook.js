// What the theme leaves to do in the page itself.
"use strict";
(() => {
  // A box that scrolls sideways must be reachable without a mouse. The theme sees to
  // code and tables; equations are set later, by MathJax, and outputs are ours.
  const boxes = 'mjx-container[display="true"], .cell_output';
  function reach() {
    for (const box of document.querySelectorAll(boxes)) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  }
  addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    reach();
    addEventListener("resize", reach);
  });

  // Paper has no hands: what is folded is printed open.
  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("article details:not([open])")) {
      folded.open = true;
      addEventListener("afterprint", () => (folded.open = false), { once: true });
    }
  });
})();
