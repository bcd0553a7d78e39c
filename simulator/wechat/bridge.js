// What WeChat's own browser defines (微信内置浏览器的 WeixinJSBridge), for browsers that are not WeChat. Paying leads the
// whole page to the simulator's till and back; since the page is loaded anew then, a callback hears of failures only.
(function () {
  "use strict";
  if (window.WeixinJSBridge) { return; }
  const FIELDS = ["appId", "timeStamp", "nonceStr", "package", "signType", "paySign"];
  const script = document.currentScript;
  const home = script && script.src ? new URL(script.src).origin : "HOME";

  function invoke(name, parameters, callback) {
    const answer = callback || function () {};
    if (name !== "getBrandWCPayRequest") { answer({ err_msg: name + ":fail" }); return; }
    const query = new URLSearchParams();
    for (const field of FIELDS) {
      const value = (parameters || {})[field];
      if (typeof value !== "string" || !value) { // a number as timeStamp is an error in WeChat, too
        answer({ err_msg: "get_brand_wcpay_request:fail", err_desc: "调用支付JSAPI缺少参数：" + field });
        return;
      }
      query.set(field, value);
    }
    query.set("redirect_url", window.location.href.split("#")[0]);
    window.location.assign(home + "/phone/jsapi?" + query.toString());
  }

  window.WeixinJSBridge = { invoke: invoke };
  function ready() { document.dispatchEvent(new Event("WeixinJSBridgeReady")); }
  if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", ready); }
  else { window.setTimeout(ready, 0); }
})();
