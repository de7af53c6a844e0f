/** The landing page: sign-in with the second factor, and who is signed in. */

import { byId, call, complaint, onSubmit, show } from "/pages/shared.js";

let pendingToken = "";
let csrf = "";

async function start() {
  const me = await call("GET", "/api/auth/me");
  if (me.ok) {
    await welcome(me.body);
    return;
  }
  const setup = await call("GET", "/api/setup");
  show(setup.ok && setup.body.needed ? "setup" : "sign-in");
}

async function welcome(identity) {
  csrf = identity.csrf;
  byId("who").textContent = identity.display_name || identity.username;
  byId("role").textContent = identity.role;
  show("signed-in");
  const answer = await call("GET", "/api/devices");
  if (answer.ok) {
    const devices = answer.body.devices;
    const online = devices.filter((device) => device.presence?.online).length;
    byId("devices").textContent = `${devices.length}, ${online} online`;
  } else {
    byId("devices").textContent = "not shown to you";
  }
}

onSubmit(byId("password-form"), async ({ username, password }) => {
  byId("password-message").textContent = "";
  const answer = await call("POST", "/api/auth/login", { username, password });
  if (!answer.ok) {
    byId("password-message").textContent = complaint(answer);
    byId("password").select();
    return;
  }
  byId("password").value = "";
  if (answer.body.status === "mfa_required") {
    pendingToken = answer.body.pending_token;
    show("second-factor");
    return;
  }
  await welcome(answer.body);
});

onSubmit(byId("code-form"), async ({ code }) => {
  byId("code-message").textContent = "";
  const answer = await call("POST", "/api/auth/mfa/verify", { pending_token: pendingToken, code: code.trim() });
  byId("code").value = "";
  if (!answer.ok) {
    byId("code-message").textContent = complaint(answer);
    byId("code").focus();
    return;
  }
  await welcome(answer.body);
});

byId("back").addEventListener("click", () => {
  pendingToken = "";
  show("sign-in");
});

byId("sign-out").addEventListener("click", async () => {
  const answer = await call("POST", "/api/auth/logout", undefined, csrf);
  if (answer.ok || answer.status === 401) {
    csrf = "";
    show("sign-in");
  } else {
    byId("out-message").textContent = complaint(answer);
  }
});

start();
