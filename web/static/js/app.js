// What every page has.

import { askBefore } from "./confirm.js";
import { copyOnClick } from "./copy.js";
import { suggest } from "./suggest.js";
import { keepTimes } from "./times.js";

document.documentElement.classList.add("js");
askBefore();
copyOnClick();
keepTimes();
document.querySelectorAll("[data-suggest]").forEach(suggest);
