// ESLint for the modules of the pages. `make lint` runs it after the type check.

import js from "@eslint/js";
import globals from "globals";

export default [
  {
    files: ["web/static/js/**/*.js"],
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      ...js.configs.recommended.rules,
      curly: "error",
      eqeqeq: "error",
      "max-lines": ["error", { max: 149 }],
      "no-implicit-globals": "error",
      "no-sequences": ["error", { allowInParentheses: false }],
      "no-shadow": "error",
      "no-unused-expressions": "error",
      "no-unused-vars": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
