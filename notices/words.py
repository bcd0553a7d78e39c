"""Why a message did not go out, as people of the platform read it. Chinese only, as the desk is."""

from __future__ import annotations

TROUBLE = {
    "mail_refused": "对方邮件服务器拒收这个地址",
    "mail_down": "连不上邮件服务器",
    "no_answer": "服务商没有回应",
    "odd_answer": "服务商的回答看不懂",
    "no_template": "没有配置这类消息的模板",
    "not_offered": "本站没有开通这个渠道",
    "no_address": "收件人已没有核对过的地址",
    "turned_off": "收件人已关闭这个渠道",
    "unexpected": "我们的程序出错，请看日志",
    "wechat_43101": "用户没有订阅，或已取消",
    "wechat_40003": "openid 无效",
    "FailedOperation.PhoneNumberInBlacklist": "手机号已退订或在免打扰名单",
    "InvalidParameterValue.IncorrectPhoneNumber": "手机号有误",
    "FailedOperation.InsufficientBalanceInSmsPackage": "短信套餐包余量不足，请充值",
}


def trouble(code: str) -> str:
    """In words; a provider's own code as it is."""
    return TROUBLE.get(code, code)
