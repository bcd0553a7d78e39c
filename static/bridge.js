/* 微信内支付: hands the signed parameters to WeChat. What it answers is a hint: the page then asks the shop, and the
   shop asks the channel. Without WeChat around the page the button says so. */
(function () {
  "use strict";

  var button = document.querySelector("[data-bridge]");
  if (!button) { return; }
  var parameters = JSON.parse(document.getElementById(button.dataset.bridge).textContent);
  var status = document.getElementById(button.dataset.says);

  function say(what) { status.textContent = status.dataset[what]; }

  function invoke() {
    window.WeixinJSBridge.invoke("getBrandWCPayRequest", parameters, function (answer) {
      button.disabled = false;
      var word = String(answer && answer.err_msg).split(":")[1];
      if (word === "ok") {
        say("ok");
        document.getElementById("check").submit();
      } else {
        say(word === "cancel" ? "cancel" : "fail");
      }
    });
  }

  function whenThere(act) {
    if (window.WeixinJSBridge) { act(); return; }
    var patience = window.setTimeout(function () {
      document.removeEventListener("WeixinJSBridgeReady", ready);
      button.disabled = false;
      say("missing");
    }, 3000);
    function ready() {
      window.clearTimeout(patience);
      document.removeEventListener("WeixinJSBridgeReady", ready);
      act();
    }
    document.addEventListener("WeixinJSBridgeReady", ready);
  }

  button.hidden = false;
  button.addEventListener("click", function () {
    button.disabled = true;
    say("waiting");
    whenThere(invoke);
  });
})();
