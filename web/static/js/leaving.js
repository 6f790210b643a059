// Ask before the page is left while that would lose something.

const ask = (event) => {
  event.preventDefault();
  event.returnValue = true; // for browsers of before 2024
};

/** The listener is there only while it is wanted: some browsers keep no page with one for the way back. */
export function askBeforeLeaving(wanted) {
  if (wanted) addEventListener("beforeunload", ask);
  else removeEventListener("beforeunload", ask);
}
