// "Use my place": the browser asks its reader, and the form is sent with where they are.
"use strict";
(() => {
  const form = document.getElementById("presence-form");
  const button = document.getElementById("use-place");
  if (!form || !button || !navigator.geolocation) return;
  const said = document.getElementById("place-said");
  const byHand = document.getElementById("by-hand");
  button.hidden = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    said.textContent = form.dataset.asking;
    navigator.geolocation.getCurrentPosition(
      (place) => {
        form.elements.lat.value = place.coords.latitude.toFixed(5);
        form.elements.lon.value = place.coords.longitude.toFixed(5);
        form.requestSubmit(form.querySelector('button[name="can"][value="yes"]'));
      },
      () => {
        button.disabled = false;
        said.textContent = form.dataset.failed;
        byHand.open = true;
        form.elements.lat.focus();
      },
      { enableHighAccuracy: true, timeout: 15000, maximumAge: 60000 },
    );
  });
})();
