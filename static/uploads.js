/* 上传: a picture goes up as soon as it is chosen, made smaller where that helps, with its progress. Without this file
   the button beside it does the same, by a page load. */
(function () {
  "use strict";

  var LARGE_BYTES = 1500000;
  var LONGEST_SIDE = 2400; // pixels: words on a screenshot stay readable

  var form = document.querySelector("form[data-uploads]");
  if (!form || !window.FormData || !window.XMLHttpRequest) { return; }
  form.classList.add("scripted");

  form.addEventListener("change", function (event) {
    var input = event.target;
    if (input.dataset.slot && input.files.length) {
      shrink(input.files[0], function (picture, name) { send(input, picture, name); });
    } else if (input.name === "description") {
      say(input);
    }
  });

  // A photograph of 12 megapixels says no more than one of 4. What cannot be read here goes as it is.
  function shrink(file, done) {
    var asItIs = function () { done(file, file.name); };
    if (file.size < LARGE_BYTES || !window.createImageBitmap || !HTMLCanvasElement.prototype.toBlob) { return asItIs(); }
    window.createImageBitmap(file, { imageOrientation: "from-image" }).then(function (bitmap) {
      var scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
      var canvas = document.createElement("canvas");
      canvas.width = Math.round(bitmap.width * scale);
      canvas.height = Math.round(bitmap.height * scale);
      var pen = canvas.getContext("2d");
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(function (blob) {
        if (blob && blob.size < file.size) { done(blob, file.name.replace(/\.\w+$/, "") + ".jpg"); } else { asItIs(); }
      }, "image/jpeg", 0.86);
    }).catch(asItIs);
  }

  function send(input, picture, name) {
    var body = fields();
    body.append("upload", input.dataset.slot);
    body.append(input.name, picture, name);
    var bar = document.createElement("progress");
    bar.max = 100;
    bar.value = 0;
    bar.setAttribute("aria-label", form.dataset.busy);
    input.closest(".upload").append(bar);
    input.disabled = true;
    var slot = input.dataset.slot;
    var failed = function () {
      bar.remove();
      input.disabled = false;
      input.value = "";
      var words = document.createElement("p");
      words.className = "tone-bad";
      words.setAttribute("role", "alert");
      words.textContent = form.dataset.failed;
      input.closest(".upload").append(words);
    };
    var request = new XMLHttpRequest();
    request.upload.onprogress = function (event) {
      if (event.lengthComputable) { bar.value = Math.round(event.loaded / event.total * 100); }
    };
    request.onload = function () {
      if (request.status !== 200) { return failed(); }
      document.getElementById("pictures").outerHTML = request.responseText;
      var next = document.getElementById("slot-" + slot);
      next.setAttribute("tabindex", "-1");
      next.focus({ preventScroll: true });
    };
    request.onerror = failed;
    request.open("POST", window.location.pathname);
    request.setRequestHeader("HX-Request", "true");
    request.send(body);
  }

  // What the words do not say yet, and they are kept.
  function say(input) {
    var body = fields();
    body.append("check", "1");
    var request = new XMLHttpRequest();
    request.onload = function () {
      if (request.status === 200) { document.getElementById("hint").innerHTML = request.responseText; }
    };
    request.open("POST", window.location.pathname);
    request.setRequestHeader("HX-Request", "true");
    request.send(body);
  }

  function fields() {
    var body = new FormData();
    ["csrfmiddlewaretoken", "description"].forEach(function (name) { body.append(name, form.elements[name].value); });
    return body;
  }
})();
