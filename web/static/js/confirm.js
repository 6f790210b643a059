// Forms with data-confirm ask before they are sent. Without JavaScript they are sent at once.

export function askBefore() {
  const dialog = document.querySelector("[data-confirm-dialog]");
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.confirm || form.dataset.confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(dialog, form);
  }, { capture: true });
}

function ask(dialog, form) {
  dialog.querySelector("[data-confirm-text]").textContent = form.dataset.confirm;
  dialog.querySelector("[value=yes]").textContent = form.dataset.confirmYes;
  dialog.returnValue = "";
  dialog.onclose = () => dialog.returnValue === "yes" && send(form);
  dialog.showModal();
}

/** A row that was replaced while the question stood has the same form again, if it still has one. */
function current(form) {
  const same = `form[action="${CSS.escape(form.getAttribute("action"))}"]`;
  return form.isConnected ? form : document.querySelector(same);
}

function send(asked) {
  const form = current(asked);
  if (!form) return;
  form.dataset.confirmed = "yes";
  form.requestSubmit();
  delete form.dataset.confirmed;
}
