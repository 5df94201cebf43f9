// Light, dark or as the system has it: what the reader chooses, and the browser remembers. The server puts it into the
// page, so that it is shown so from the beginning.

import { element } from "./elements.js";

const YEAR = 365 * 24 * 3600; // seconds

const choice = element("#theme", HTMLSelectElement);
choice.addEventListener("change", () => {
  const { value } = choice;
  const age = value === "" ? 0 : YEAR;
  document.cookie = `logstream_theme=${value}; path=${choice.dataset.path}; max-age=${age}; samesite=lax`;
  if (value === "") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
});
