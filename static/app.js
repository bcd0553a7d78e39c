/* Small comforts. Every page works without this file. */
(function () {
  "use strict";

  // 复制: a button with data-copy="id of the text"; hidden until this file is here.
  function offerCopying(root) {
    root.querySelectorAll("[data-copy]").forEach(function (button) {
      button.hidden = false;
    });
  }

  function copy(button) {
    var source = document.getElementById(button.dataset.copy);
    var text = source.textContent.trim();
    var done = function () {
      var before = button.dataset.before || button.textContent;
      button.dataset.before = before;
      button.textContent = button.dataset.done;
      window.setTimeout(function () { button.textContent = before; }, 2000);
    };
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(text).then(done, function () { selectAndCopy(source, done); });
    } else {
      selectAndCopy(source, done);
    }
  }

  function selectAndCopy(source, done) {
    var range = document.createRange();
    range.selectNodeContents(source);
    var selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    if (document.execCommand("copy")) { done(); }
  }

  // 倒计时: data-until and data-now are the server's seconds, so that a wrong clock here does no harm.
  function countDown(element) {
    var ends = Date.now() + (Number(element.dataset.until) - Number(element.dataset.now)) * 1000;
    function tick() {
      var left = Math.max(0, Math.round((ends - Date.now()) / 1000));
      element.textContent = Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0");
      if (left > 0) { window.setTimeout(tick, 1000); }
    }
    element.closest("[hidden]").hidden = false;
    tick();
  }

  // What is true only while this file runs.
  document.querySelectorAll("[data-scripted]").forEach(function (words) { words.hidden = false; });

  // 打印
  function offerPrinting(root) {
    root.querySelectorAll("[data-print]").forEach(function (button) { button.hidden = false; });
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy], [data-print]");
    if (!button) { return; }
    if (button.dataset.copy) { copy(button); } else { window.print(); }
  });

  document.addEventListener("htmx:load", function (event) {
    offerCopying(event.target);
    offerPrinting(event.target);
  });

  offerCopying(document);
  offerPrinting(document);
  document.querySelectorAll("[data-until]").forEach(countDown);
})();
