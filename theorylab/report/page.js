"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const form = document.querySelector(".filters");
  const system = document.getElementById("by-system");
  const word = document.getElementById("by-word");
  const shown = document.getElementById("shown");

  const nouns = { comparison: "verdicts", claim: "claims", experiment: "experiments", sweep: "sweeps" };
  const rows = all("table.rows tbody tr");
  const filter = () => {
    const [kind, wanted] = word.value.split(":");
    const fits = (element) =>
      (!system.value || element.dataset.system === system.value) &&
      (!kind || element.dataset.kind === kind) &&
      (!wanted || element.dataset.words.split(" ").includes(wanted));
    for (const element of [...rows, ...all("section.case")]) element.hidden = !fits(element);
    for (const section of all("section.table")) {
      section.hidden = section.querySelector("tbody tr") && !section.querySelector("tbody tr:not([hidden])");
    }
    const said = [];
    for (const [name, noun] of Object.entries(nouns)) {
      const every = rows.filter((row) => row.dataset.kind === name);
      if (every.length) said.push(`${every.filter((row) => !row.hidden).length} of ${every.length} ${noun}`);
    }
    shown.textContent = said.length ? `${said.join(", ")} shown` : "";
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

  // an enlarged figure covers the page: what lies behind it is out of reach until it is closed
  const behind = (figure, inert) => {
    for (let node = figure; node !== document.body; node = node.parentElement) {
      for (const other of node.parentElement.children) if (other !== node) other.inert = inert;
    }
  };
  let opener = null;
  let opened = null;
  const turn = () => {
    if (opened) behind(opened, false);
    opened = document.querySelector("figure:target");
    if (opened) {
      behind(opened, true);
      opened.querySelector("a.close").focus();
    } else if (opener) {
      opener.focus({ preventScroll: true });
      opener = null;
    }
  };
  for (const link of all("a.enlarge")) link.addEventListener("click", () => (opener = link));
  window.addEventListener("hashchange", turn);
  turn();
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && opened) location.hash = opened.querySelector("a.close").hash;
  });
})();
