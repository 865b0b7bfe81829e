// The editor of filters: names are put where the cursor is, and problems lead to their place. It works without.
"use strict";
(() => {
  const text = document.getElementById("text");
  if (!text) return;

  function put(name) {
    text.focus();
    text.setRangeText(name, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function go(line, column) {
    const lines = text.value.split("\n");
    const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    const at = Math.min(before + column - 1, text.value.length);
    const word = /^\w+/.exec(text.value.slice(at));
    text.focus();
    text.setSelectionRange(at, at + (word ? word[0].length : 1));
  }

  const shown = document.getElementById("completions");
  const names = [...document.querySelectorAll("[data-insert]")].map((one) => one.dataset.insert);

  // The word before the cursor, and the names that begin with it or whose column does.
  function complete() {
    const before = text.value.slice(0, text.selectionStart);
    const word = /[A-Za-z_][\w.]*$/.exec(before)?.[0] ?? "";
    const wanted = word.toLowerCase();
    const found = word.length < 2 ? [] : names.filter((name) => {
      const low = name.toLowerCase();
      return low !== wanted && (low.startsWith(wanted) || low.slice(low.indexOf(".") + 1).startsWith(wanted));
    }).slice(0, 8);
    shown.replaceChildren(...found.map((name) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "small plain mono";
      button.textContent = name;
      button.addEventListener("click", () => {
        const at = text.selectionStart;
        text.setSelectionRange(at - word.length, at);
        put(name);
        shown.hidden = true;
      });
      return button;
    }));
    shown.hidden = found.length === 0;
  }
  text.addEventListener("input", complete);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") shown.hidden = true;
  });

  document.addEventListener("click", (event) => {
    const name = event.target.closest("[data-insert]");
    if (name) put(name.dataset.insert);
    const place = event.target.closest("[data-line]");
    if (place) go(Number(place.dataset.line), Number(place.dataset.column));
  });
})();
