"use strict";

// New exchanges come at the top as they happen.
const list = document.getElementById("exchanges");
if (list) {
  const most = 500; // rows on the page, as many as the server keeps
  const state = document.getElementById("live");
  const events = new EventSource(list.dataset.events);
  events.onopen = () => { state.textContent = "实时更新中"; state.classList.add("on"); };
  events.onerror = () => { state.textContent = "连接断开，正在重新连接…"; state.classList.remove("on"); };
  events.onmessage = (e) => {
    // The row is a template of the server's own, which escapes what it shows.
    list.insertAdjacentHTML("afterbegin", e.data);
    list.firstElementChild.classList.add("new");
    document.getElementById("empty").hidden = true;
    while (list.childElementCount > most) list.lastElementChild.remove();
  };
}

// A click on a number copies it; where that is not allowed it is selected.
document.addEventListener("click", async (e) => {
  const button = e.target.closest("button[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
  } catch {
    getSelection().selectAllChildren(button);
  }
});

// What takes a while is asked for once.
document.addEventListener("submit", (e) => {
  if (!e.target.dataset.wait) return;
  const button = e.target.querySelector("button");
  button.disabled = true;
  button.textContent = e.target.dataset.wait;
});
