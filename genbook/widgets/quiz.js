// Questions with a reason for every answer, right or wrong.

let quizzes = 0; // radio buttons of one question share a name, of two views they do not

function render({ model, el }) {
  const view = ++quizzes;
  el.classList.add("gb-figure", "gb-quiz");
  el.setAttribute("data-lm-suppress-shortcuts", "true"); // the arrow keys choose
  const html = (tag, innerHTML, className = "") =>
    Object.assign(document.createElement(tag), { innerHTML, className });
  el.append(...model.get("questions").map(({ question, answers }, i) => {
    const set = document.createElement("fieldset");
    // It is here, empty, from the start: a live region speaks of changes.
    const reason = html("p", "", "gb-reason");
    reason.setAttribute("aria-live", "polite");
    set.append(html("legend", `<span>${i + 1}</span> ${question}`));
    for (const answer of answers) {
      const radio = Object.assign(document.createElement("input"),
        { type: "radio", name: `gb-quiz-${view}-${i}` });
      radio.addEventListener("change", () => {
        const word = answer.correct ? "✓ Right." : "✗ Not this one.";
        reason.innerHTML = `<strong>${word}</strong> ${answer.reason}`;
        reason.dataset.correct = answer.correct;
      });
      const label = document.createElement("label");
      label.append(radio, html("span", answer.text));
      set.append(label);
    }
    set.append(reason);
    return set;
  }));
}
export default { render };
