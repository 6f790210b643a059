// Confirmation before a form with data-confirm is submitted. Without JavaScript the form is submitted at once.

import { dataValue, query } from "./dom.js";

/** Listen for the submission of forms on the whole page. */
export function confirmSubmissions() {
  const dialog = query(document, "[data-confirm-dialog]", HTMLDialogElement);
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.dataset.confirm || form.dataset.confirmed) {
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    openDialog(dialog, form);
  }, { capture: true });
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {HTMLFormElement} form
 */
function openDialog(dialog, form) {
  query(dialog, "[data-confirm-text]", HTMLElement).textContent = dataValue(form, "confirm");
  query(dialog, "[value=yes]", HTMLButtonElement).textContent = dataValue(form, "confirmYes");
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue === "yes") {
      submitConfirmed(form);
    }
  };
  dialog.showModal();
}

/** @param {HTMLFormElement} confirmedForm */
function submitConfirmed(confirmedForm) {
  const form = formOnPage(confirmedForm);
  if (!form) {
    return;
  }
  form.dataset.confirmed = "yes";
  form.requestSubmit();
  delete form.dataset.confirmed;
}

/**
 * The form itself, or the one that replaced it while the dialog was open. Null if its row has no such form any more.
 * @param {HTMLFormElement} form
 * @returns {HTMLFormElement | null}
 */
function formOnPage(form) {
  if (form.isConnected) {
    return form;
  }
  const action = CSS.escape(form.getAttribute("action") ?? "");
  const replacement = document.querySelector(`form[action="${action}"]`);
  return replacement instanceof HTMLFormElement ? replacement : null;
}
