// Puts the place that the browser gives, to some hundred metres, into the form that
// the button stands in, and sends the form. Without it the page lists by district.
for (const button of document.querySelectorAll("[data-near]")) {
  if (!navigator.geolocation) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    navigator.geolocation.getCurrentPosition(
      (place) => {
        button.form.elements.near.value = place.coords.latitude.toFixed(3) + "," + place.coords.longitude.toFixed(3);
        button.form.requestSubmit();
      },
      () => {
        button.disabled = false;
        button.textContent = button.dataset.near;
      },
      { maximumAge: 300000, timeout: 10000 },
    );
  });
}
