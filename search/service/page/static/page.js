// A problem's line is shown in the editor. Everything else is plain HTML, or htmx by attributes.
"use strict";
document.addEventListener("click", event => {
  const button = event.target.closest("[data-line]"), editor = document.getElementById("yaml");
  if (!button || !editor) return;
  const lines = editor.value.split("\n"), at = Number(button.dataset.line) - 1;
  const start = lines.slice(0, at).reduce((sum, line) => sum + line.length + 1, 0);
  editor.focus();
  editor.setSelectionRange(start, start + (lines[at] ?? "").length);
  editor.scrollTop = Math.max(0, at * editor.scrollHeight / lines.length - editor.clientHeight / 2);
});
// What is refused is told where the answer would stand.
document.addEventListener("htmx:beforeSwap", event => {
  if (event.detail.target.id === "problems" && event.detail.xhr.status >= 400) event.detail.shouldSwap = true;
});
