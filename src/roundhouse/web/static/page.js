// Copies, and keeps the page fresh. Without it everything is still there; it only ages.
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

addCopyButtons(document);
if (document.querySelector("[data-live]")) tick();
