// Results as one types: the combobox pattern of the WAI-ARIA guide over a list that the server renders.

const PAUSE = 120; // ms without a key before asking

export function suggest(form) {
  const input = form.querySelector("input[type=search]");
  const list = form.querySelector("[role=listbox]");
  let timer;
  let asked;

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  });
  input.addEventListener("keydown", (event) => keys[event.key]?.(event));
  input.addEventListener("focus", () => list.children.length && input.value.trim() && open(true));
  form.addEventListener("focusout", (event) => form.contains(event.relatedTarget) || open(false));
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the focus in the box

  const keys = {
    ArrowDown: (event) => move(event, 1),
    ArrowUp: (event) => move(event, -1),
    Escape: (event) => list.hidden || (event.preventDefault(), open(false)),
    Enter: (event) => active() && (event.preventDefault(), active().querySelector("a").click()),
  };

  async function ask() {
    asked?.abort();
    asked = new AbortController();
    const query = input.value.trim();
    if (!query) return open(false);
    try {
      const answer = await fetch(`${form.dataset.suggest}?q=${encodeURIComponent(query)}`, { signal: asked.signal });
      if (answer.ok) show(await answer.text());
    } catch (error) {
      if (error.name !== "AbortError") open(false); // no network: the form still searches
    }
  }

  function show(html) {
    list.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.children);
    options().forEach((option, index) => (option.id = `${list.id}-${index}`));
    input.removeAttribute("aria-activedescendant");
    open(list.children.length > 0 && document.activeElement === input);
  }

  function move(event, step) {
    const all = options();
    if (list.hidden || !all.length) return;
    event.preventDefault();
    const index = all.indexOf(active());
    select(all[(index + step + all.length + (index < 0 && step < 0 ? 1 : 0)) % all.length]);
  }

  function select(option) {
    options().forEach((each) => each.setAttribute("aria-selected", each === option));
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function open(is) {
    list.hidden = !is;
    input.setAttribute("aria-expanded", is);
    if (!is) input.removeAttribute("aria-activedescendant");
  }

  const options = () => [...list.querySelectorAll("[role=option]")];
  const active = () => list.hidden ? null : list.querySelector(`#${CSS.escape(input.getAttribute("aria-activedescendant") || "-")}`);
}
