// Arrow keys move between the days of the calendar. Without it, Tab does.
"use strict";
(() => {
  const table = document.querySelector("table.days");
  if (!table) return;
  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  table.addEventListener("keydown", (event) => {
    const step = STEPS[event.key], cell = event.target.closest("td.day");
    if (!step || !cell || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const rows = table.tBodies[0].rows;
    let row = cell.parentElement.sectionRowIndex, column = cell.cellIndex;
    for (;;) {
      row += step[0];
      column += step[1];
      const next = rows[row] && rows[row].cells[column];
      if (!next || column < 1) return;
      const link = next.querySelector("a");
      if (link) return link.focus();
    }
  });
})();
