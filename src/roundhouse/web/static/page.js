// Copies, keeps the page fresh, and asks the API for one change at a press. Without it everything is still there; it
// only ages, and shows the commands instead.
const EVERY_MS = 5000;

function addCopyButton(source) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy-button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy: ${source.textContent.trim().split("\n", 1)[0]}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  source.parentElement.append(button);
}

function addCopyButtons(root) {
  root.querySelectorAll("[data-copy]").forEach(addCopyButton);
}

// A part that somebody is using stays as it is until they are done.
function inUse(part) {
  const selection = getSelection();
  return part.contains(document.activeElement) || (!selection.isCollapsed && selection.containsNode(part, true));
}

function replacePart(old, fresh) {
  const open = [...old.querySelectorAll("details[open]")].map((details) => details.id);
  const plain = old.cloneNode(true);
  plain.querySelectorAll(".copy-button").forEach((button) => button.remove());
  plain.querySelectorAll("details[open]").forEach((details) => details.removeAttribute("open"));
  if (plain.innerHTML === fresh.innerHTML) return;
  old.replaceChildren(...fresh.childNodes);
  old.className = fresh.className;
  open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  addCopyButtons(old);
}

async function refresh() {
  const stale = document.getElementById("stale");
  try {
    const answer = await fetch(location.pathname, { headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    stale.hidden = true;
    document.querySelectorAll("[data-live]").forEach((part) => {
      const next = fresh.getElementById(part.id);
      if (next && !inUse(part)) replacePart(part, next);
    });
  } catch {
    if (stale.hidden) stale.textContent = `No answer since ${new Date().toLocaleTimeString()}`;
    stale.hidden = false;
  }
}

function tick() {
  setTimeout(async () => {
    if (!document.hidden) await refresh();
    tick();
  }, EVERY_MS);
}

// What a button says is sent with a key, where that takes one. The key is in no storage: it goes with the page.
const ask = document.getElementById("ask");
let key = "";
let pressed = null;

const part = (name) => document.getElementById(`ask-${name}`);
const wantsKey = () => !key && !("may" in ask.dataset);

async function send(button) {
  const [method, path] = button.dataset.do.split(" ");
  const headers = { accept: "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  if (button.dataset.body) headers["content-type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: button.dataset.body });
  if (answer.ok) return "";
  if (answer.status === 401 || answer.status === 403) key = "";
  const { error } = await answer.json();
  return [error.message.replace(/\.$/, ""), error.hint].filter(Boolean).join(": ");
}

function question(button, problem) {
  pressed = button;
  part("title").textContent = button.getAttribute("aria-label");
  part("text").textContent = button.dataset.ask ?? "";
  part("key").hidden = part("where").hidden = !wantsKey();
  part("problem").textContent = problem;
  part("yes").textContent = button.textContent;
  if (!ask.open) ask.showModal();
}

async function carryOut(button) {
  button.disabled = part("yes").disabled = true;
  const problem = await send(button).catch(() => "there is no answer");
  button.disabled = part("yes").disabled = false;
  if (problem) {
    question(button, problem);
    return;
  }
  ask.close();
  document.activeElement.blur();
  await refresh();
}

function confirmed() {
  if (wantsKey()) {
    const field = part("key").querySelector("input");
    key = field.value.trim();
    field.value = "";
    if (!key) {
      field.focus();
      return;
    }
  }
  carryOut(pressed);
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-do]");
  if (!button) return;
  if (button.dataset.ask || wantsKey()) question(button, "");
  else carryOut(button);
});
if (ask) {
  part("yes").addEventListener("click", confirmed);
  part("no").addEventListener("click", () => ask.close());
  part("key").addEventListener("keydown", (event) => { if (event.key === "Enter") confirmed(); });
}

document.documentElement.classList.add("live");
addCopyButtons(document);
if (document.querySelector("[data-live]")) tick();
