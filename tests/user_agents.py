"""What real browsers say of themselves. The tests of paying, and the browsers that drive it, go by these."""

from __future__ import annotations

DISPLAY = "X11"  # of Linux browsers; no rule

USER_AGENTS = {
    "WeChat on an iPhone": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
        " MicroMessenger/8.0.50(0x18003230) NetType/WIFI Language/zh_CN"
    ),
    "WeChat on Android": (
        "Mozilla/5.0 (Linux; Android 14; 23127PN0CC Build/UKQ1.230804.001; wv) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Version/4.0 Chrome/126.0.6478.188 Mobile Safari/537.36 XWEB/1260097 MMWEBSDK/20240802 MMWEBID/2247"
        " MicroMessenger/8.0.53.2740(0x28003533) WeChat/arm64 Weixin NetType/5G Language/zh_CN ABI/arm64"
    ),
    "WeChat on Windows": (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"
        " Safari/537.36 NetType/WIFI MicroMessenger/7.0.20.1781(0x6700143B) WindowsWechat(0x63090c11) XWEB/11275 Flue"
    ),
    "WeChat on a Mac": (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) MicroMessenger/6.8.0"
        "(0x16080000) NetType/WIFI MiniProgramEnv/Mac MacWechat/WMPF MacWechat/3.8.7(0x13080712) XWEB/1191"
    ),
    "Alipay on an iPhone": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21E219"
        " Ariver/1.1.0 AliApp(AP/10.5.96.8000) Nebula WK RVKType(0) AlipayDefined(nt:WIFI,ws:393|788|3.0)"
        " AlipayClient/10.5.96.8000 Language/zh-Hans Region/CN NebulaX/1.0.0"
    ),
    "Alipay on Android": (
        "Mozilla/5.0 (Linux; U; Android 13; zh-CN; V2183A Build/TP1A.220624.014) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Version/4.0 Chrome/105.0.5195.148 UWS/5.12.3.0 Mobile Safari/537.36 UCBS/5.12.3.0_230421191430 AlipayDefined"
        "(nt:4G,ws:360|0|3.0) AliApp(AP/10.3.96.8100) AlipayClient/10.3.96.8100 Language/zh-Hans"
    ),
    "Safari on an iPhone": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"
        " Mobile/15E148 Safari/604.1"
    ),
    "Chrome on Android": (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile"
        " Safari/537.36"
    ),
    "Huawei's browser on HarmonyOS NEXT": (
        "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36"
        " ArkWeb/4.1.6.1 Mobile HuaweiBrowser/5.0.4.300"
    ),
    "QQ's browser on Android": (
        "Mozilla/5.0 (Linux; U; Android 12; zh-cn; M2012K11AC Build/SKQ1.211006.001) AppleWebKit/537.36 (KHTML, like"
        " Gecko) Version/4.0 Chrome/98.0.4758.102 MQQBrowser/13.6 Mobile Safari/537.36 COVC/046329"
    ),
    "Taobao's app": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
        " AliApp(TB/10.28.10) WindVane/8.7.2 1170x2532 WK"
    ),
    "a tablet with Android": (
        "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
    ),
    "an iPad that says so": (
        "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1"
        " Safari/604.1"
    ),
    "an iPad, which calls itself a Mac": (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"
        " Safari/605.1.15"
    ),
    "Chrome on Windows": (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"
        " Safari/537.36"
    ),
    "Firefox on Linux": f"Mozilla/5.0 ({DISPLAY}; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "a Chromebook": (
        f"Mozilla/5.0 ({DISPLAY}; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"
        " Safari/537.36"
    ),
    "nothing at all": "",
}
