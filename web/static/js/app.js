// What every page has.

import { askBefore } from "./confirm.js";
import { copyOnClick } from "./copy.js";
import { suggest } from "./suggest.js";

document.documentElement.classList.add("js");
askBefore();
copyOnClick();
document.querySelectorAll("[data-suggest]").forEach(suggest);
