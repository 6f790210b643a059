// Typed access to the elements and data attributes that the templates provide.

/**
 * The first descendant of `root` that matches `selector`. Throws if there is none, or if it is of another type.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type the element's class, such as HTMLInputElement
 * @returns {T}
 */
export function query(root, selector, type) {
  const element = root.querySelector(selector);
  if (!(element instanceof type)) {
    throw new Error(`no ${type.name} matches ${selector}`);
  }
  return element;
}

/**
 * The value of a data attribute. Throws if the element does not have it.
 * @param {HTMLElement} element
 * @param {string} name as in `dataset`: "maxBytes" for data-max-bytes
 * @returns {string}
 */
export function dataValue(element, name) {
  const value = element.dataset[name];
  if (value === undefined) {
    throw new Error(`no data attribute ${name}`);
  }
  return value;
}

/**
 * A copy of the first element of a template.
 * @param {HTMLTemplateElement} template
 * @returns {Element}
 */
export function cloneTemplate(template) {
  const element = template.content.firstElementChild;
  if (!element) {
    throw new Error("the template is empty");
  }
  return /** @type {Element} */ (element.cloneNode(true));
}

/**
 * The first element of an HTML fragment that the server rendered. Throws if there is none.
 * @param {string} html
 * @returns {HTMLElement}
 */
export function parseElement(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return query(template.content, "*", HTMLElement);
}

/**
 * A whole page, or several elements, that the server rendered.
 * @param {string} html
 * @returns {Document}
 */
export function parsePage(html) {
  return new DOMParser().parseFromString(html, "text/html");
}
