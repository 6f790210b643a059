// The script of every page.

import { confirmSubmissions } from "./confirm.js";
import { copyOnClick } from "./copy.js";
import { refreshRelativeTimes } from "./relative-times.js";
import { SearchSuggestions } from "./search-suggestions.js";

document.documentElement.classList.add("js");
confirmSubmissions();
copyOnClick();
refreshRelativeTimes();
for (const form of document.querySelectorAll("form[data-suggest]")) {
  new SearchSuggestions(/** @type {HTMLFormElement} */ (form)).attach();
}
