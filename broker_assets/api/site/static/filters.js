// The editor of filters and of SQL: CodeMirror over the text field of the page, with names completed and problems marked where they
// are. Without CodeMirror the field stays, and names and problems still lead to their place. Tab leaves the editor.
"use strict";
(() => {
  const field = document.getElementById("text");
  if (!field) return;
  const KEYWORDS = field.dataset.keywords || "select distinct from where and or not in is null like ilike between order by asc desc limit as case when then else end true false cast exists selected tables conditions";
  const problems = document.getElementById("problems");
  const editor = window.codemirror ? withCodeMirror(window.codemirror) : plain();

  document.addEventListener("click", (event) => {
    const name = event.target.closest("[data-insert]");
    if (name) editor.insert(name.dataset.insert);
    const place = event.target.closest("[data-line]");
    if (place) editor.select(...range(place));
  });

  // From where to where a problem is: the word at its line and column, else one character.
  function range(place) {
    const text = field.value, lines = text.split("\n");
    const line = Number(place.dataset.line), column = Number(place.dataset.column);
    const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    const from = Math.min(before + column - 1, text.length);
    const word = /^\w+/.exec(text.slice(from));
    return [from, Math.min(from + (word ? word[0].length : 1), text.length)];
  }

  function plain() {
    return {
      insert(name) {
        field.focus();
        field.setRangeText(name, field.selectionStart, field.selectionEnd, "end");
        field.dispatchEvent(new Event("input", { bubbles: true }));
      },
      select(from, to) {
        field.focus();
        field.setSelectionRange(from, to);
      },
    };
  }

  function withCodeMirror(cm) {
    const names = known(), label = document.querySelector('label[for="text"]');
    const scheme = matchMedia("(prefers-color-scheme: dark)"), look = new cm.Compartment();
    let own = false;
    const dialect = cm.SQLDialect.define({
      keywords: KEYWORDS, builtin: names.functions.map((one) => one.label).join(" "), types: "",
      doubleQuotedStrings: false, hashComments: false,
    });
    const view = new cm.EditorView({
      doc: field.value,
      extensions: [
        cm.EditorView.cspNonce.of(field.dataset.nonce),
        cm.lineNumbers(), cm.highlightSpecialChars(), cm.history(), cm.drawSelection(), cm.highlightActiveLine(),
        cm.bracketMatching(), cm.closeBrackets(), cm.lintGutter(),
        cm.sql({ dialect, upperCaseKeywords: true }),
        cm.autocompletion({ override: [(context) => complete(context, names)] }),
        cm.syntaxHighlighting(colours(cm)),
        look.of(theme(cm, scheme.matches)),
        cm.EditorView.lineWrapping,
        cm.EditorView.contentAttributes.of({
          "aria-labelledby": "text-label", "aria-describedby": "problems", autocapitalize: "off", spellcheck: "false",
        }),
        // Without a binding of Tab: it moves on, as everywhere.
        cm.keymap.of([...cm.closeBracketsKeymap, ...cm.completionKeymap, ...cm.lintKeymap, ...cm.historyKeymap, ...cm.defaultKeymap]),
        cm.EditorView.updateListener.of((update) => {
          const { from, to } = update.state.selection.main;
          if (update.docChanged) field.value = update.state.doc.toString();
          if (update.docChanged || update.selectionSet) field.setSelectionRange(from, to);
          if (!update.docChanged || own) return;
          own = true;
          field.dispatchEvent(new Event("input", { bubbles: true }));
          own = false;
        }),
      ],
    });
    field.after(view.dom);
    field.hidden = true;
    label.id = "text-label";
    label.addEventListener("click", () => view.focus());

    // What a browser restores in the field, or something else writes there, is in the editor too.
    const take = () => {
      if (own || field.value === view.state.doc.toString()) return;
      own = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: field.value } });
      own = false;
    };
    field.addEventListener("input", take);
    addEventListener("pageshow", take);
    scheme.addEventListener("change", () => view.dispatch({ effects: look.reconfigure(theme(cm, scheme.matches)) }));

    const mark = () => {
      const found = [...problems.querySelectorAll("[data-line]")].map((place) => {
        const [from, to] = range(place);
        return { from, to, severity: "error", message: place.dataset.message };
      });
      view.dispatch(cm.setDiagnostics(view.state, found));
    };
    problems.addEventListener("htmx:afterSwap", mark);
    mark();

    return {
      insert(name) {
        view.dispatch(view.state.replaceSelection(name), { scrollIntoView: true });
        view.focus();
      },
      select(from, to) {
        view.dispatch({ selection: { anchor: from, head: to }, scrollIntoView: true });
        view.focus();
      },
    };
  }

  // Tables, columns and functions, as the page lists them.
  function known() {
    const tables = new Map(), functions = [];
    for (const button of document.querySelectorAll("[data-insert]")) {
      const name = button.dataset.insert, row = button.closest("tr");
      if (row) {
        const [table, column] = name.split(".");
        const unit = row.cells[2].textContent.trim();
        if (!tables.has(table)) tables.set(table, []);
        tables.get(table).push({ label: column, table, info: row.cells[1].textContent.trim() + (unit ? ` (${unit})` : "") });
      } else {
        const label = name.slice(0, name.indexOf("("));
        functions.push({ label, type: "function", detail: name.slice(label.length), apply: label + "(", info: button.closest("li").lastChild.textContent.trim() });
      }
    }
    return { tables, functions };
  }

  // After a table and a dot its columns; else columns of every table, tables, functions and words of the language.
  function complete(context, { tables, functions }) {
    const word = context.matchBefore(/[A-Za-z_]\w*(\.\w*)?/);
    if (!word && !context.explicit) return null;
    const text = word ? word.text : "", dot = text.indexOf(".");
    if (dot >= 0) {
      const columns = tables.get(text.slice(0, dot).toLowerCase());
      if (!columns) return null;
      const options = columns.map((one) => ({ label: one.label, type: "property", info: one.info }));
      return { from: word.from + dot + 1, options, validFor: /^\w*$/ };
    }
    const written = context.state.doc.toString().toLowerCase();
    const options = [...functions, ...KEYWORDS.split(" ").map((one) => ({ label: one.toUpperCase(), type: "keyword", boost: -20 }))];
    for (const [table, columns] of tables) {
      const boost = written.includes(table) ? 10 : -10;
      options.push({ label: table, type: "class", detail: `${columns.length} columns`, boost });
      for (const one of columns) {
        options.push({ label: one.label, displayLabel: one.label, type: "property", detail: table, apply: `${table}.${one.label}`, info: one.info, boost });
      }
    }
    return { from: word ? word.from : context.pos, options, validFor: /^\w*$/ };
  }

  function colours(cm) {
    const { tags } = cm;
    return cm.HighlightStyle.define([
      { tag: tags.keyword, color: "var(--accent)", fontWeight: "600" },
      { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
      { tag: [tags.number, tags.bool, tags.null], color: "var(--warn)" },
      { tag: tags.standard(tags.name), color: "var(--running)" },
      { tag: [tags.lineComment, tags.blockComment], color: "var(--faint)", fontStyle: "italic" },
    ]);
  }

  function theme(cm, dark) {
    const tip = { backgroundColor: "var(--panel)", color: "var(--ink)", border: "1px solid var(--edge)", borderRadius: "4px" };
    return cm.EditorView.theme({
      "&": { backgroundColor: "var(--ground)", color: "var(--ink)", border: "1px solid var(--edge)", borderRadius: "4px", minHeight: "18rem", maxHeight: "40rem" },
      "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "1px" },
      ".cm-scroller": { fontFamily: "var(--mono)", fontSize: "13px", lineHeight: "20px", overflow: "auto" },
      ".cm-content, .cm-gutter": { minHeight: "17.8rem" },
      ".cm-content": { caretColor: "var(--ink)" },
      ".cm-cursor": { borderLeftColor: "var(--ink)" },
      ".cm-gutters": { backgroundColor: "var(--panel)", color: "var(--faint)", borderRight: "1px solid var(--line)" },
      ".cm-activeLine": { backgroundColor: "transparent" },
      "&.cm-focused .cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--bar) 35%, transparent)" },
      "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--bar) !important" },
      ".cm-tooltip": tip,
      ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "13px", maxWidth: "min(34rem, 90vw)" },
      ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { minHeight: "24px", lineHeight: "24px" },
      ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--bar)", color: "var(--ink)" },
      ".cm-completionDetail": { color: "var(--faint)", fontStyle: "normal" },
      ".cm-tooltip-autocomplete > ul > li[aria-selected] .cm-completionDetail": { color: "var(--ink)" },
      ".cm-completionInfo": { ...tip, maxWidth: "20rem" },
      ".cm-completionMatchedText": { textDecoration: "underline", fontWeight: "600" },
      ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
    }, { dark });
  }
})();
