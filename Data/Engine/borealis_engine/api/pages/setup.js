/** Set-up: the token stands behind "#", which browsers send to nobody. */

import { byId, call, complaint, onSubmit, show } from "/pages/shared.js";

const token = decodeURIComponent(location.hash.slice(1));
// Out of the address bar and the history, so that nobody reads it over a shoulder later.
history.replaceState(null, "", location.pathname);

async function start() {
  const state = await call("GET", "/api/setup");
  if (state.ok && !state.body.needed) {
    show("done");
  } else {
    show(token ? "form" : "no-token");
  }
}

onSubmit(byId("setup-form"), async ({ username, display_name, password, again }) => {
  const message = byId("message");
  message.textContent = "";
  if (password !== again) {
    message.textContent = "The two passwords differ. Type the same one twice.";
    byId("again").focus();
    return;
  }
  const answer = await call("POST", "/api/setup", { token, username, password, display_name });
  if (answer.ok) {
    location.replace("/");
  } else if (answer.body?.error === "setup_done") {
    show("done");
  } else {
    message.textContent = complaint(answer);
  }
});

start();
