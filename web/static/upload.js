// Forms that take photographs: what is chosen is sent at once by the button that
// opens the camera or the album, made smaller where a phone's picture is larger than is kept anyway. Without this script a button
// sends it as it is.
"use strict";

const longest = 2600; // pixels, as the server keeps them
const worthIt = 1 << 20; // bytes

async function smaller(file) {
  if (!file.type.startsWith("image/") || file.size < worthIt || !window.createImageBitmap) return file;
  try {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, longest / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(picture.width * scale);
    canvas.height = Math.round(picture.height * scale);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
    return blob && blob.size < file.size ? new File([blob], file.name.replace(/\.\w+$/, "") + ".jpg", { type: "image/jpeg" }) : file;
  } catch {
    return file;
  }
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  const input = form.querySelector("input[type=file]");
  const button = form.querySelector("button");
  button.type = "button";
  button.textContent = form.dataset.upload || button.textContent;
  button.addEventListener("click", () => input.click());
  input.classList.add("hidden");
  input.tabIndex = -1;
  input.addEventListener("change", async () => {
    if (!input.files.length) return;
    form.setAttribute("aria-busy", "true");
    const all = new DataTransfer();
    for (const file of input.files) all.items.add(await smaller(file));
    input.files = all.files;
    form.requestSubmit();
  });
}
