// The browser's warning before a page is left while files are being uploaded.

/**
 * Switch the warning on or off. The listener is removed while it is not needed: some browsers do not keep a page with
 * such a listener for the way back.
 * @param {boolean} enabled
 */
export function warnBeforeUnload(enabled) {
  if (enabled) {
    addEventListener("beforeunload", requestConfirmation);
  } else {
    removeEventListener("beforeunload", requestConfirmation);
  }
}

/** @param {BeforeUnloadEvent} event */
function requestConfirmation(event) {
  event.preventDefault();
  event.returnValue = true; // for browsers from before 2024
}
