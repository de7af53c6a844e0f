/** What the two small pages share: showing one section, and talking JSON to the Engine. */

export const byId = (id) => document.getElementById(id);

/** Show one section of the page and put the focus where work begins. */
export function show(id) {
  for (const section of document.querySelectorAll("main > section")) {
    section.hidden = section.id !== id;
  }
  byId(id).querySelector("input, button")?.focus();
}

/** Call the Engine; gives `{ok, status, body}` and never throws. */
export async function call(method, path, body, csrf) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (csrf) headers["X-Borealis-CSRF"] = csrf;
  try {
    const answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
    });
    return { ok: answer.ok, status: answer.status, body: await answer.json() };
  } catch {
    return { ok: false, status: 0, body: { error: "unreachable", detail: "The Engine cannot be reached. Try again." } };
  }
}

/** Submit a form without leaving the page; the button rests meanwhile. */
export function onSubmit(form, work) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await work(Object.fromEntries(new FormData(form)));
    } finally {
      button.disabled = false;
    }
  });
}

/** What to tell a person about an answer that was no success. */
export function complaint(answer) {
  return answer.body?.detail || "That did not work. Try again.";
}
