"use strict";
(() => {
  const spans = [...document.querySelectorAll(".span")];
  const documents = [...document.querySelectorAll(".document")];
  const levels = [...document.querySelectorAll("[data-level-filter]")];
  const status = document.getElementById("status");
  const clear = document.getElementById("clear");
  const everything = status.textContent;
  const numbers = (element, name) => (element.dataset[name] || "").split(" ").filter(Boolean);
  const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
  let picked = null;

  document.body.classList.remove("no-script");

  function show() {
    const shownLevels = new Set(levels.filter((b) => b.ariaPressed === "true").map((b) => b.dataset.levelFilter));
    const pickedSpan = picked && picked.matches(".span") ? picked : null;
    const pickedDocument = picked && picked.matches(".document") ? picked : null;
    const ofSpan = pickedSpan && new Set(numbers(pickedSpan, "documents"));
    const ofDocument = pickedDocument && new Set(numbers(pickedDocument, "highlights"));
    document.body.classList.toggle("picking", Boolean(picked));
    let visible = 0;
    for (const card of documents) {
      card.hidden = !shownLevels.has(card.dataset.level) || Boolean(ofSpan && !ofSpan.has(card.dataset.document));
      card.classList.toggle("picked", card === pickedDocument);
      card.querySelector("[data-locate]").ariaPressed = String(card === pickedDocument);
      visible += card.hidden ? 0 : 1;
    }
    for (const span of spans) {
      span.ariaPressed = String(span === pickedSpan);
      span.classList.toggle("picked", span === pickedSpan || Boolean(ofDocument && ofDocument.has(span.dataset.highlight)));
    }
    clear.hidden = !picked;
    if (pickedSpan) {
      status.textContent = `${plural(visible, "document")} with passage ${Number(pickedSpan.dataset.highlight) + 1}`;
    } else if (pickedDocument) {
      status.textContent = `${plural(ofDocument.size, "passage")} of document ${Number(pickedDocument.dataset.document) + 1} in the answer`;
    } else {
      status.textContent = visible === documents.length ? everything : `${visible} of ${plural(documents.length, "document")}`;
    }
  }

  function pick(element) {
    picked = picked === element ? null : element;
    show();
    if (!picked) return;
    const other = picked.matches(".span")
      ? documents.find((card) => !card.hidden)
      : spans.find((span) => span.classList.contains("picked"));
    if (other) other.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    if (!spans.length) return;
    const at = spans.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : spans.length - 1) : (at + by + spans.length) % spans.length;
    spans[next].focus();
  }

  for (const span of spans) span.addEventListener("click", () => pick(span));
  for (const card of documents) {
    card.addEventListener("click", (event) => {
      if (event.target.closest("a, summary, details") || String(getSelection())) return;
      pick(card);
    });
  }
  for (const button of levels) {
    button.addEventListener("click", () => {
      button.ariaPressed = String(button.ariaPressed !== "true");
      show();
    });
  }
  clear.addEventListener("click", () => pick(picked));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const span = event.target.closest(".span");
    if (span && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      pick(span);
    } else if (event.key === "Escape" && picked) {
      pick(picked);
    } else if (event.key === "n") {
      step(1);
    } else if (event.key === "p") {
      step(-1);
    }
  });
  show();
})();
