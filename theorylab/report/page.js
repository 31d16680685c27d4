"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const form = document.querySelector(".filters");
  const system = document.getElementById("by-system");
  const word = document.getElementById("by-word");
  const shown = document.getElementById("shown");

  const filter = () => {
    const fits = (element) =>
      (!system.value || element.dataset.system === system.value) &&
      (!word.value || element.dataset.words.split(" ").includes(word.value));
    const rows = all(".summary tbody tr");
    for (const element of [...rows, ...all("section.case, .claims tbody tr")]) element.hidden = !fits(element);
    const count = rows.filter((row) => !row.hidden).length;
    shown.textContent = `${count} of ${rows.length} shown`;
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  system.addEventListener("change", filter);
  word.addEventListener("change", filter);
  filter();

  const select = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  for (const button of all("button.copy")) {
    const code = button.parentElement.querySelector("code");
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        select(code);
        button.textContent = "Selected";
      }
      setTimeout(() => (button.textContent = "Copy"), 1600);
    });
  }

  let opener = null;
  for (const link of all("a.enlarge")) link.addEventListener("click", () => (opener = link));
  window.addEventListener("hashchange", () => {
    const open = document.querySelector("figure:target");
    if (open) open.querySelector("a.close").focus();
    else if (opener) {
      opener.focus({ preventScroll: true });
      opener = null;
    }
  });
  document.addEventListener("keydown", (event) => {
    const open = document.querySelector("figure:target");
    if (event.key === "Escape" && open) location.hash = open.querySelector("a.close").hash;
  });
})();
