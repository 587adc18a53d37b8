// The card that asks for the token.
import { finder, write } from "../player/ui/dom.ts";
import { login } from "./api.ts";

const el = finder(document);

/** Calls `done` once somebody has logged in. */
export function askForToken(done: () => void): void {
  const field = el<HTMLInputElement>("token");
  const button = el<HTMLButtonElement>("login-do");
  el<HTMLFormElement>("login-form").addEventListener("submit", (e) => {
    e.preventDefault();
    button.disabled = true;
    login(field.value.trim())
      .then(() => {
        field.value = "";
        write(el("login-wrong"), "");
        done();
      })
      .catch((e: unknown) => {
        write(el("login-wrong"), e instanceof Error ? e.message : String(e));
        field.focus();
        field.select();
      })
      .finally(() => (button.disabled = false));
  });
}
