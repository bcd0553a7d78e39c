"""Who gets what at which address. A new address without a row fails the test, and so does a row without an address.

`owner` bought the goods and asked for the refunds; `stranger` is another buyer; `merchant` belongs to the shop that
sold them, `rival` to another shop. Somebody else's things are not there: 404, never 403 (X7).

Outcomes: a status code; `login`: sent to log in; `go`: sent somewhere else, as it should be; `done`: 200 or `go`.
Words after the name: `@approved` is the case that it is about (else one under review), `@unpaid`, `@service` the order
(else one that was paid for and never asked back), a bare word the step.
"""

from __future__ import annotations

ROLES = ["nobody", "owner", "stranger", "merchant", "rival", "reviewer", "senior", "finance", "operator"]

PAGES = """
#                                                 nobody owner stranger merchant rival reviewer senior finance operator

# --- the shop: for everybody ---
GET  storefront:products                          200    200   200      200      200   200      200    200     200
GET  storefront:product                           200    200   200      200      200   200      200    200     200
GET  storefront:product_reviews                   200    200   200      200      200   200      200    200     200
GET  storefront:shop                              200    200   200      200      200   200      200    200     200
GET  storefront:shop_reviews                      200    200   200      200      200   200      200    200     200
GET  storefront:policy                            200    200   200      200      200   200      200    200     200
GET  storefront:policy_text                       200    200   200      200      200   200      200    200     200
GET  storefront:policy_examples                   200    200   200      200      200   200      200    200     200
GET  storefront:agreement                         200    200   200      200      200   200      200    200     200
GET  storefront:agreement_text                    200    200   200      200      200   200      200    200     200
GET  storefront:policy_diff                       200    200   200      200      200   200      200    200     200
GET  storefront:help                              200    200   200      200      200   200      200    200     200
GET  storefront:support                           200    200   200      200      200   200      200    200     200
GET  storefront:verify                            200    200   200      200      200   200      200    200     200
POST storefront:verify                            200    200   200      200      200   200      200    200     200
GET  storefront:status                            200    200   200      200      200   200      200    200     200
GET  storefront:records                           200    200   200      200      200   200      200    200     200
GET  storefront:daily_root                        200    200   200      200      200   200      200    200     200
GET  storefront:record_key                        200    200   200      200      200   200      200    200     200
GET  storefront:check_record                      200    200   200      200      200   200      200    200     200
GET  storefront:check_pack                        200    200   200      200      200   200      200    200     200
GET  storefront:receipt_check                     200    200   200      200      200   200      200    200     200
POST storefront:receipt_check                     200    200   200      200      200   200      200    200     200
GET  storefront:receipt_checked     @paid_out     200    200   200      200      200   200      200    200     200
GET  storefront:robots                            200    200   200      200      200   200      200    200     200
GET  storefront:favicon                           go     go    go       go       go    go       go     go      go
GET  storefront:language                          405    405   405      405      405   405      405    405     405
POST storefront:language                          go     go    go       go       go    go       go     go      go

# --- buying: everybody may, and sees their own; who has no account is a guest from then on ---
POST storefront:buy                               go     go    go       go       go    go       go     go      go
GET  storefront:buy                               go     go    go       go       go    go       go     go      go
GET  storefront:find                              200    200   200      200      200   200      200    200     200
POST storefront:find                              200    200   200      200      200   200      200    200     200
GET  storefront:claim                             go     go    go       go       go    go       go     go      go
POST storefront:claim                             go     go    go       go       go    go       go     go      go
GET  storefront:orders                            login  200   200      200      200   200      200    200     200
GET  storefront:order                             login  200   404      404      404   404      404    404     404
GET  storefront:pay                 @unpaid       login  200   404      404      404   404      404    404     404
POST storefront:pay                 @unpaid       login  go    404      404      404   404      404    404     404
GET  storefront:check               @unpaid       login  go    404      404      404   404      404    404     404
POST storefront:check               @unpaid       login  go    404      404      404   404      404    404     404
GET  storefront:pay_back            @unpaid       login  go    404      404      404   404      404    404     404
GET  storefront:wechat_login        @unpaid       login  go    404      404      404   404      404    404     404
GET  storefront:wechat_return       @unpaid       login  go    404      404      404   404      404    404     404
GET  storefront:voucher                           login  200   404      404      404   404      404    404     404
GET  storefront:order_record                      login  200   404      404      404   404      404    404     404
GET  storefront:order_record_file                 login  200   404      404      404   404      404    404     404
GET  storefront:order_policy                      login  200   404      404      404   404      404    404     404
GET  storefront:cancel              @unpaid       login  200   404      404      404   404      404    404     404
POST storefront:cancel              @unpaid       login  go    404      404      404   404      404    404     404
GET  storefront:confirm                           login  go    404      404      404   404      404    404     404
POST storefront:confirm                           login  go    404      404      404   404      404    404     404
GET  storefront:take_back                         login  go    404      404      404   404      404    404     404
POST storefront:take_back                         login  go    404      404      404   404      404    404     404
GET  storefront:talk_text                         login  200   404      200      404   200      200    200     200
GET  storefront:say                               login  go    404      404      404   404      404    404     404
POST storefront:say                               login  go    404      404      404   404      404    404     404
GET  storefront:report              @service      login  go    404      404      404   404      404    404     404
POST storefront:report              @service      login  go    404      404      404   404      404    404     404
GET  storefront:report_image        @service      login  200   404      200      404   200      200    200     200
GET  storefront:prove                             login  go    404      404      404   404      404    404     404
POST storefront:prove                             login  go    404      404      404   404      404    404     404
GET  storefront:reveal                            login  200   404      404      404   404      404    404     404
POST storefront:reveal                            login  200   404      404      404   404      404    404     404

# --- support: one's own tickets and complaints ---
GET  storefront:assistant                         login  200   200      200      200   200      200    200     200
POST storefront:assistant                         login  go    go       go       go    go       go     go      go
GET  storefront:tickets                           login  200   200      200      200   200      200    200     200
GET  storefront:new_ticket                        login  200   200      200      200   200      200    200     200
POST storefront:new_ticket                        login  go    go       go       go    go       go     go      go
GET  storefront:ticket                            login  200   404      404      404   404      404    404     404
GET  storefront:ticket_say                        login  405   405      405      405   405      405    405     405
POST storefront:ticket_say                        login  go    404      404      404   404      404    404     404
GET  storefront:support_picture                   login  200   404      404      404   200      200    404     200
GET  storefront:complain                          login  200   404      404      404   404      404    404     404
POST storefront:complain                          login  go    404      404      404   404      404    404     404
GET  storefront:complaints                        login  200   200      200      200   200      200    200     200
GET  storefront:complaint                         login  200   404      404      404   404      404    404     404

# --- asking for money back, and watching it ---
GET  storefront:review                            login  200   404      404      404   404      404    404     404
POST storefront:review                            login  200   404      404      404   404      404    404     404
GET  storefront:apply                             login  200   404      404      404   404      404    404     404
POST storefront:apply                             login  go    404      404      404   404      404    404     404
GET  storefront:apply_material                    login  200   404      404      404   404      404    404     404
POST storefront:apply_material                    login  go    404      404      404   404      404    404     404
GET  storefront:apply_money                       login  200   404      404      404   404      404    404     404
POST storefront:apply_money                       login  go    404      404      404   404      404    404     404
GET  storefront:apply_check                       login  200   404      404      404   404      404    404     404
POST storefront:apply_check                       login  go    404      404      404   404      404    404     404
GET  storefront:apply_one_tap                     login  200   404      404      404   404      404    404     404
POST storefront:apply_one_tap                     login  go    404      404      404   404      404    404     404
GET  storefront:apply_picture                     login  200   404      404      404   404      404    404     404
GET  storefront:refunds                           login  200   200      200      200   200      200    200     200
GET  storefront:refund                            login  200   404      404      404   404      404    404     404
GET  storefront:track                             login  go    404      404      404   404      404    404     404
GET  storefront:provide_evidence    @waiting      login  go    404      404      404   404      404    404     404
POST storefront:provide_evidence    @waiting      login  go    404      404      404   404      404    404     404
GET  storefront:withdraw                          login  200   404      404      404   404      404    404     404
POST storefront:withdraw                          login  go    404      404      404   404      404    404     404
GET  storefront:confirm_arrival     @paid_out     login  200   404      404      404   404      404    404     404
POST storefront:confirm_arrival     @paid_out     login  go    404      404      404   404      404    404     404
GET  storefront:refund_answer       @returned urge login go     404    404      404   404      404    404     404
POST storefront:refund_answer       @returned urge login go     404    404      404   404      404    404     404
GET  storefront:refund_redirect     @returned     login  200    404    404      404   404      404    404     404
POST storefront:refund_redirect     @returned     login  go     404    404      404   404      404    404     404
GET  storefront:evidence                          login  200   404      200      404   200      200    200     200
GET  storefront:receipt             @paid_out     login  200   404      404      404   200      200    200     200
GET  storefront:pack                              login  200   404      200      404   200      200    200     200
GET  storefront:pack_file                         login  200   404      200      404   200      200    200     200
GET  storefront:next_steps                        login  go    404      404      404   404      404    404     404
GET  storefront:balance                           login  200   200      200      200   200      200    200     200
GET  storefront:cash_out                          login  200   200      200      200   200      200    200     200
POST storefront:cash_out                          login  200   200      200      200   200      200    200     200
GET  storefront:payee                             login  go    go       go       go    go       go     go      go
POST storefront:payee                             login  go    go       go       go    go       go     go      go
GET  storefront:express                           login  200   200      200      200   200      200    200     200
POST storefront:express                           login  go    go       go       go    go       go     go      go
GET  storefront:real_name                         login  200   200      200      200   200      200    200     200
POST storefront:real_name                         login  200   200      200      200   200      200    200     200
GET  storefront:notices                           login  200   200      200      200   200      200    200     200
GET  storefront:notice                            login  go    404      404      404   404      404    404     404
POST storefront:notice                            login  go    404      404      404   404      404    404     404
GET  storefront:read_all                          login  go    go       go       go    go       go     go      go
POST storefront:read_all                          login  go    go       go       go    go       go     go      go
GET  storefront:notice_settings                   login  200   200      200      200   200      200    200     200
POST storefront:notice_settings                   login  200   200      200      200   200      200    200     200
GET  storefront:notice_phone                      login  go    go       go       go    go       go     go      go
POST storefront:notice_phone                      login  go    go       go       go    go       go     go      go
GET  storefront:notice_wechat                     login  go    go       go       go    go       go     go      go
POST storefront:notice_wechat                     login  go    go       go       go    go       go     go      go
GET  storefront:notice_wechat_back                login  go    go       go       go    go       go     go      go
GET  storefront:notice_wechat_forget              login  go    go       go       go    go       go     go      go
POST storefront:notice_wechat_forget              login  go    go       go       go    go       go     go      go
GET  storefront:notices_sent                      login  200   200      200      200   200      200    200     200

# --- a shop's pages: to its members, to read ---
GET  portal:orders                                login  403   403      200      200   403      403    403     403
GET  portal:order_record                          login  403   403      200      404   403      403    403     403
GET  portal:order_record_file                     login  403   403      200      404   403      403    403     403
GET  portal:order                                 login  403   403      200      404   403      403    403     403
GET  portal:say                                   login  403   403      405      405   403      403    403     403
POST portal:say                                   login  403   403      go       404   403      403    403     403
GET  portal:cancel                                login  403   403      go       404   403      403    403     403
POST portal:cancel                                login  403   403      go       404   403      403    403     403
GET  portal:see_recipient                         login  403   403      405      405   403      403    403     403
POST portal:see_recipient                         login  403   403      go       404   403      403    403     403
GET  portal:start                                 login  403   403      405      405   403      403    403     403
POST portal:start                                 login  403   403      404      404   403      403    403     403
GET  portal:report                                login  403   403      405      405   403      403    403     403
POST portal:report                                login  403   403      404      404   403      403    403     403
GET  portal:hand_over                             login  403   403      405      405   403      403    403     403
POST portal:hand_over                             login  403   403      404      404   403      403    403     403
GET  portal:products                              login  403   403      200      200   403      403    403     403
GET  portal:new_product                           login  403   403      200      200   403      403    403     403
POST portal:new_product                           login  403   403      200      200   403      403    403     403
GET  portal:product                               login  403   403      200      404   403      403    403     403
POST portal:product                               login  403   403      200      404   403      403    403     403
GET  portal:set_listed                            login  403   403      405      405   403      403    403     403
POST portal:set_listed                            login  403   403      go       404   403      403    403     403
GET  portal:stock                                  login  403   403      200      200   403      403    403     403
GET  portal:product_stock                          login  403   403      200      404   403      403    403     403
GET  portal:take_out                               login  403   403      405      405   403      403    403     403
POST portal:take_out                               login  403   403      go       404   403      403    403     403
GET  portal:stock_imports                          login  403   403      200      404   403      403    403     403
POST portal:stock_imports                          login  403   403      200      404   403      403    403     403
GET  portal:stock_import                           login  403   403      200      404   403      403    403     403
GET  portal:import_progress                        login  403   403      go       404   403      403    403     403
GET  portal:confirm_import                         login  403   403      405      405   403      403    403     403
POST portal:confirm_import                         login  403   403      go       404   403      403    403     403
GET  portal:discard_import                         login  403   403      405      405   403      403    403     403
POST portal:discard_import                         login  403   403      go       404   403      403    403     403
GET  portal:take_out_import                        login  403   403      405      405   403      403    403     403
POST portal:take_out_import                        login  403   403      go       404   403      403    403     403
GET  portal:stock_code                             login  403   403      200      404   403      403    403     403
GET  portal:release_code                           login  403   403      405      405   403      403    403     403
POST portal:release_code                           login  403   403      go       404   403      403    403     403
GET  portal:coupons                               login  403   403      200      200   403      403    403     403
GET  portal:new_coupon                            login  403   403      200      200   403      403    403     403
POST portal:new_coupon                            login  403   403      200      200   403      403    403     403
GET  portal:coupon                                login  403   403      200      404   403      403    403     403
POST portal:coupon                                login  403   403      200      404   403      403    403     403
GET  portal:reviews                               login  403   403      200      200   403      403    403     403
GET  portal:reply                                 login  403   403      405      405   403      403    403     403
POST portal:reply                                 login  403   403      go       404   403      403    403     403
GET  portal:complaints                            login  403   403      200      200   403      403    403     403
GET  portal:complaint                             login  403   403      200      404   403      403    403     403
GET  portal:answer_complaint                      login  403   403      405      405   403      403    403     403
POST portal:answer_complaint                      login  403   403      go       404   403      403    403     403
GET  portal:figures                               login  403   403      200      200   403      403    403     403
GET  portal:deposit                               login  403   403      200      200   403      403    403     403
GET  portal:money                                 login  403   403      200      200   403      403    403     403
GET  portal:statement                             login  403   403      200      200   403      403    403     403
GET  portal:statement_file                        login  403   403      200      200   403      403    403     403
GET  portal:withdraw                              login  403   403      200      200   403      403    403     403
POST portal:withdraw                              login  403   403      200      200   403      403    403     403
GET  portal:payee                                 login  403   403      go       go    403      403    403     403
POST portal:payee                                 login  403   403      go       go    403      403    403     403
GET  portal:people                                login  403   403      200      200   403      403    403     403
POST portal:people                                login  403   403      200      200   403      403    403     403
GET  portal:set_role                              login  403   403      405      405   403      403    403     403
POST portal:set_role                              login  403   403      go       404   403      403    403     403
GET  portal:remove_member                         login  403   403      405      405   403      403    403     403
POST portal:remove_member                         login  403   403      go       404   403      403    403     403
GET  portal:leave                                 login  403   403      200      200   403      403    403     403
POST portal:leave                                 login  403   403      200      200   403      403    403     403
GET  portal:shop_keys                              login  403   403      200      200   403      403    403     403
POST portal:shop_keys                              login  403   403      200      200   403      403    403     403
GET  portal:shown_once                             login  403   403      go       go    403      403    403     403
GET  portal:revoke_key                             login  403   403      405      405   403      403    403     403
POST portal:revoke_key                             login  403   403      go       404   403      403    403     403
GET  portal:webhooks                               login  403   403      200      200   403      403    403     403
POST portal:webhooks                               login  403   403      200      200   403      403    403     403
GET  portal:webhook                                login  403   403      200      404   403      403    403     403
POST portal:webhook                                login  403   403      200      404   403      403    403     403
GET  portal:switch_webhook                         login  403   403      405      405   403      403    403     403
POST portal:switch_webhook                         login  403   403      go       404   403      403    403     403
GET  portal:ping_webhook                           login  403   403      405      405   403      403    403     403
POST portal:ping_webhook                           login  403   403      go       404   403      403    403     403
GET  portal:new_webhook_secret                     login  403   403      405      405   403      403    403     403
POST portal:new_webhook_secret                     login  403   403      go       404   403      403    403     403
GET  portal:send_again                             login  403   403      405      405   403      403    403     403
POST portal:send_again                             login  403   403      go       404   403      403    403     403
GET  portal:choose                                login  405   405      405      405   405      405    405     405
POST portal:choose                                login  403   403      403      403   403      403    403     403
GET  portal:apply                                 login  200   200      200      200   200      200    200     200
POST portal:apply                                 login  200   200      200      200   200      200    200     200
GET  portal:document                              login  200   404      404      404   404      404    404     200
GET  portal:refunds                               login  403   403      200      200   403      403    403     403
GET  portal:refund                                login  403   403      200      404   403      403    403     403
GET  portal:answer                  @approved object   login 403 403    200      404   403      403    403     403
POST portal:answer                  @approved object   login 403 403    go       404   403      403    403     403

# --- accounts: one's own, whoever one is ---
GET  account_login                                200    go    go       go       go    go       go     go      go
GET  account_signup                               200    go    go       go       go    go       go     go      go
GET  account_logout                               go     200   200      200      200   200      200    200     200
POST account_logout                               go     go    go       go       go    go       go     go      go
GET  account_inactive                             200    200   200      200      200   200      200    200     200
GET  account_reauthenticate                       login  200   200      200      200   200      200    200     200
GET  account_email                                login  200   200      200      200   200      200    200     200
GET  account_email_verification_sent              200    200   200      200      200   200      200    200     200
GET  account_confirm_email                        200    200   200      200      200   200      200    200     200
GET  account_change_password                      login  200   200      200      200   200      200    200     200
GET  account_set_password                         login  go    go       go       go    go       go     go      go
GET  account_reset_password                       200    200   200      200      200   200      200    200     200
GET  account_reset_password_done                  200    200   200      200      200   200      200    200     200
GET  account_reset_password_from_key              200    200   200      200      200   200      200    200     200
GET  account_reset_password_from_key_done         200    200   200      200      200   200      200    200     200
GET  account_confirm_login_code                   login  go    go       go       go    go       go     go      go
GET  mfa_index                                    login  200   200      200      200   200      200    200     200
GET  mfa_authenticate                             login  go    go       go       go    go       go     go      go
GET  mfa_reauthenticate                           login  go    go       go       go    go       go     go      go
GET  mfa_activate_totp                            login  go    go       go       go    go       go     go      go
GET  mfa_deactivate_totp                          login  404   404      404      404   404      404    404     404
GET  mfa_view_recovery_codes                      login  404   404      404      404   404      404    404     404
GET  mfa_generate_recovery_codes                  login  go    go       go       go    go       go     go      go
GET  mfa_download_recovery_codes                  login  404   404      404      404   404      404    404     404

# --- machines ---
GET  healthz                                      200    200   200      200      200   200      200    200     200
GET  readyz                                       503    503   503      503      503   503      503    503     503
GET  notify                                       405    405   405      405      405   405      405    405     405
POST notify                                       400    400   400      400      400   400      400    400     400
"""

API = """
#                                                 nobody owner stranger merchant rival reviewer senior finance operator

GET  api:products                                 200    200   200      200      200   200      200    200     200
GET  api:schema                                   200    200   200      200      200   200      200    200     200
GET  api:docs                                     200    200   200      200      200   200      200    200     200
GET  api:none                                     404    404   404      404      404   404      404    404     404
POST api:none                                     404    404   404      404      404   404      404    404     404

GET  api:orders                                   401    200   200      200      200   200      200    200     200
GET  api:order                                    401    200   404      404      404   404      404    404     404
GET  api:eligibility                              401    200   404      404      404   404      404    404     404
GET  api:refunds                                  401    200   200      200      200   200      200    200     200
POST api:refunds                                  401    201   404      404      404   404      404    404     404
POST api:refund_batch                             401    200   200      200      200   200      200    200     200
GET  api:refund                                   401    200   404      200      404   200      200    200     200
POST api:evidence                   @waiting      401    201   404      403      404   403      403    403     403
POST api:release                    @approved     401    403   403      403      403   403      403    200     403
POST api:payouts                                  401    403   403      403      403   403      403    201     403
GET  api:payout                                   401    403   403      403      403   403      403    200     200
POST api:payout_step                propose       401    403   403      403      403   403      403    200     403

# --- a shop's programs: by a key, whoever is logged in beside it ---
GET  api:shop_orders                               401    401   401      401      401   401      401    401     401
GET  api:shop_order                                401    401   401      401      401   401      401    401     401
GET  api:shop_refunds                              401    401   401      401      401   401      401    401     401
GET  api:shop_refund                               401    401   401      401      401   401      401    401     401

# --- every step that a person may take, on a case where it is due ---
POST api:step   request_evidence                  401    403   404      403      404   200      200    403     403
POST api:step   provide_evidence   @waiting       401    200   404      403      404   403      403    403     403
POST api:step   approve                           401    403   404      403      404   200      200    403     403
POST api:step   reject                            401    403   404      403      404   200      200    403     403
POST api:step   withdraw                          401    200   404      403      404   403      403    403     403
POST api:step   halt               @approved      401    403   404      403      404   403      200    200     403
POST api:step   disburse           @approved      401    403   404      403      404   403      403    200     403
POST api:step   credit_balance     @to_balance    401    403   404      403      404   403      403    200     403
POST api:step   confirm_arrival    @paid_out      401    200   404      403      404   403      403    403     403
POST api:step   reissue            @returned      401    403   404      403      404   403      403    200     403
# those that need another status are refused by the table, not by who asks
POST api:step   agree                             401    403   404      409      404   403      403    403     403
POST api:step   agree_above_limit                 401    403   404      409      404   403      403    403     403
POST api:step   contest                           401    403   404      409      404   403      403    403     403
POST api:step   offer                             401    403   404      409      404   403      403    403     403
POST api:step   accept_offer                      401    409   404      403      404   403      403    403     403
POST api:step   accept_replacement                401    409   404      403      404   403      403    403     403
POST api:step   decline_offer                     401    409   404      403      404   403      403    403     403
POST api:step   claim                             401    403   404      403      404   200      200    403     403
POST api:step   hand_over                         401    403   404      403      404   200      200    403     403
POST api:step   request_more                      401    403   404      403      404   403      409    403     403
POST api:step   consult                           401    403   404      403      404   200      200    403     403
POST api:step   record_answer                     401    403   404      403      404   409      409    403     403
POST api:step   uphold                            401    403   404      403      404   200      200    403     403
POST api:step   make_offer                        401    403   404      403      404   200      200    403     403
POST api:step   propose_offer                     401    403   404      403      404   200      200    403     403
POST api:step   approve_second                    401    403   404      403      404   403      409    403     403
POST api:step   reject_second                     401    403   404      403      404   403      409    403     403
POST api:step   confirm_offer                     401    403   404      403      404   403      409    403     403
POST api:step   send_back                         401    403   404      403      404   403      409    403     403
POST api:step   appeal                            401    409   404      403      404   403      403    403     403
POST api:step   grant_appeal                      401    403   404      403      404   403      409    403     403
POST api:step   uphold_appeal                     401    403   404      403      404   403      409    403     403
POST api:step   dismiss_appeal                    401    403   404      403      404   403      409    403     403
POST api:step   reopen                            401    403   404      403      404   403      409    403     403
POST api:step   urge                              401    409   404      403      404   403      403    403     403
POST api:step   close                             401    403   404      403      404   403      200    403     403
POST api:step   report_missing                    401    409   404      403      404   403      403    403     403
POST api:step   explain_missing                   401    403   404      403      404   409      409    409     403
POST api:step   reissue_above_limit               401    403   404      403      404   403      403    409     403
POST api:step   sign_redirect                     401    409   404      403      404   403      403    403     403
POST api:step   confirm_redirect                  401    403   404      403      404   403      403    409     403
POST api:step   revoke_redirect                   401    409   404      403      404   403      403    403     403
POST api:step   send_to_card                      401    403   404      403      404   403      403    409     403
POST api:step   request_transfer                  401    403   404      403      404   403      403    409     403
# the machine's steps have no address
POST api:step   auto_approve                      401    404   404      404      404   404      404    404     404
POST api:step   mark_paid_out      @approved      401    404   404      404      404   404      404    404     404
"""

# Those who are no staff are sent to log in at every address below /admin/, whatever their own login says.
DESK = """
#                                                 nobody owner stranger merchant rival reviewer senior finance operator

GET  admin:index                                  login  login login    login    login 200      200    200     200
GET  admin:login                                  login  403   403      403      403   go       go     go      go
GET  admin:logout                                 go     go    go       go       go    405      405    405     405
POST admin:logout                                 go     go    go       go       go    go       go     go      go
GET  admin:password_change                        login  login login    login    login 200      200    200     200
GET  admin:password_change_done                   login  login login    login    login 200      200    200     200
GET  admin:autocomplete                           login  login login    login    login 403      403    403     403
GET  admin:jsi18n                                 login  login login    login    login 200      200    200     200
GET  admin:view_on_site                           login  login login    login    login 404      404    404     404
GET  admin:app_list                               login  login login    login    login 200      200    200     200
GET  admin:admin/(?P<url>.*)$                     login  login login    login    login 404      404    404     404

GET  admin:refunds_refund_approve                 login  login login    login    login 200      200    403     403
POST admin:refunds_refund_approve                 login  login login    login    login done     done   403     403
GET  admin:refunds_refund_reject                  login  login login    login    login 200      200    403     403
POST admin:refunds_refund_reject                  login  login login    login    login done     done   403     403
GET  admin:refunds_refund_request_evidence        login  login login    login    login 200      200    403     403
POST admin:refunds_refund_request_evidence        login  login login    login    login done     done   403     403
GET  admin:refunds_refund_disburse  @approved     login  login login    login    login 403      403    200     403
POST admin:refunds_refund_disburse  @approved     login  login login    login    login 403      403    done    403
GET  admin:refunds_refund_credit_balance @to_balance login login login  login    login 403      403    200     403
POST admin:refunds_refund_credit_balance @to_balance login login login  login    login 403      403    done    403
GET  admin:refunds_refund_release_chosen @approved login  login login    login    login 403      403    200     403
POST admin:refunds_refund_release_chosen @approved login  login login    login    login 403      403    done    403
GET  admin:refunds_refund_halt      @approved     login  login login    login    login 403      200    200     403
POST admin:refunds_refund_halt      @approved     login  login login    login    login 403      done   done    403
GET  admin:refunds_refund_reissue   @returned     login  login login    login    login 403      403    200     403
POST admin:refunds_refund_reissue   @returned     login  login login    login    login 403      403    done    403
GET  admin:refunds_refund_uphold                  login  login login    login    login 200      200    403     403
POST admin:refunds_refund_uphold                  login  login login    login    login done     done   403     403
GET  admin:refunds_refund_approve_second          login  login login    login    login 403      200    403     403
GET  admin:refunds_refund_confirm_offer           login  login login    login    login 403      200    403     403
GET  admin:refunds_refund_grant_appeal            login  login login    login    login 403      200    403     403
GET  admin:refunds_refund_uphold_appeal           login  login login    login    login 403      200    403     403
GET  admin:refunds_refund_confirm_redirect        login  login login    login    login 403      403    200     403
GET  admin:refunds_refund_send_to_card            login  login login    login    login 403      403    200     403
GET  admin:refunds_refund_request_transfer        login  login login    login    login 403      403    200     403
GET  admin:refunds_refund_reissue_above_limit     login  login login    login    login 403      403    200     403
GET  admin:refunds_refund_explain_missing         login  login login    login    login 200      200    200     403
GET  admin:refunds_refund_reject_second           login  login login    login    login 403      200    403     403
GET  admin:refunds_refund_dismiss_appeal          login  login login    login    login 403      200    403     403
GET  admin:refunds_refund_request_more            login  login login    login    login 403      200    403     403
GET  admin:refunds_refund_make_offer              login  login login    login    login 200      200    403     403
GET  admin:refunds_refund_propose_offer           login  login login    login    login 200      200    403     403
GET  admin:refunds_refund_record_answer           login  login login    login    login 200      200    403     403
GET  admin:refunds_refund_claim                   login  login login    login    login 200      200    403     403
POST admin:refunds_refund_claim                   login  login login    login    login done     done   403     403
GET  admin:refunds_refund_consult                 login  login login    login    login 200      200    403     403
GET  admin:refunds_refund_hand_over               login  login login    login    login 200      200    403     403
POST admin:refunds_refund_hand_over               login  login login    login    login done     done   403     403
GET  admin:refunds_refund_send_back               login  login login    login    login 403      200    403     403
GET  admin:refunds_refund_reopen                  login  login login    login    login 403      200    403     403
GET  admin:refunds_refund_close                   login  login login    login    login 403      200    403     403
GET  admin:refunds_refund_claim_next              login  login login    login    login 405      405    405     405
POST admin:refunds_refund_claim_next              login  login login    login    login go       go     403     403
GET  admin:refunds_refund_judge_objection         login  login login    login    login 403      200    403     403
GET  admin:refunds_refund_buyer                   login  login login    login    login 200      200    200     200
GET  admin:refunds_refund_shop                    login  login login    login    login 200      200    200     200
GET  admin:refunds_cannedreply_rewrite            login  login login    login    login 403      403    403     200
GET  admin:refunds_cannedreply_retire             login  login login    login    login 403      403    403     200
POST admin:refunds_cannedreply_retire             login  login login    login    login 403      403    403     done
GET  admin:refunds_refundevent_chain              login  login login    login    login 200      200    200     200
GET  admin:refunds_refund_check_codes             login  login login    login    login 200      200    403     403
POST admin:refunds_refund_check_codes             login  login login    login    login done     done   403     403
GET  admin:payments_refundattempt_ask_again       login  login login    login    login 403      403    200     403
POST admin:payments_refundattempt_ask_again       login  login login    login    login 403      403    done    403
GET  admin:payments_refundattempt_ask_again_one   login  login login    login    login 403      403    200     403
POST admin:payments_refundattempt_ask_again_one   login  login login    login    login 403      403    done    403
GET  admin:payments_refundattempt_close_refused   login  login login    login    login 403      403    200     403
POST admin:payments_refundattempt_close_refused   login  login login    login    login 403      403    done    403
GET  admin:payments_refundattempt_send_back       login  login login    login    login 403      403    200     403
POST admin:payments_refundattempt_send_back       login  login login    login    login 403      403    done    403
GET  admin:payments_refundattempt_give_back       login  login login    login    login 403      403    200     403
POST admin:payments_refundattempt_give_back       login  login login    login    login 403      403    done    403
GET  admin:payments_channelaccount_topped_up      login  login login    login    login 403      403    200     403
POST admin:payments_channelaccount_topped_up      login  login login    login    login 403      403    done    403
GET  admin:payments_channelaccount_stop_collecting login  login login    login    login 403      403    403     200
POST admin:payments_channelaccount_stop_collecting login  login login    login    login 403      403    403     done
GET  admin:payments_channelaccount_start_collecting login  login login    login    login 403      403    403     200
POST admin:payments_channelaccount_start_collecting login  login login    login    login 403      403    403     done
GET  admin:payments_channelaccount_set_limits     login  login login    login    login 403      403    403     200
POST admin:payments_channelaccount_set_limits     login  login login    login    login 403      403    403     done
GET  admin:payments_channelaccount_stop_outgoing  login  login login    login    login 403      403    200     200
POST admin:payments_channelaccount_stop_outgoing  login  login login    login    login 403      403    done    done
GET  admin:payments_channelaccount_resume_outgoing login  login login    login    login 403      403    200     200
POST admin:payments_channelaccount_resume_outgoing login  login login    login    login 403      403    done    done
GET  admin:payments_transfer_approve              login  login login    login    login 403      403    200     403
POST admin:payments_transfer_approve              login  login login    login    login 403      403    done    403
GET  admin:payments_transfer_refuse               login  login login    login    login 403      403    200     403
POST admin:payments_transfer_refuse               login  login login    login    login 403      403    done    403
GET  admin:payments_transfer_confirm_unpaid       login  login login    login    login 403      403    200     403
POST admin:payments_transfer_confirm_unpaid       login  login login    login    login 403      403    done    403
GET  admin:payments_transfer_mark_paid            login  login login    login    login 403      403    200     403
POST admin:payments_transfer_mark_paid            login  login login    login    login 403      403    200     403
GET  admin:payments_transfer_mark_failed          login  login login    login    login 403      403    200     403
POST admin:payments_transfer_mark_failed          login  login login    login    login 403      403    done    403
GET  admin:payments_transfer_payee                login  login login    login    login 403      403    403     403
POST admin:payments_transfer_payee                login  login login    login    login 403      403    200     403
GET  admin:payments_outgoingswitch_stop           login  login login    login    login 403      200    200     200
POST admin:payments_outgoingswitch_stop           login  login login    login    login 403      done   done    done
GET  admin:payments_outgoingswitch_resume         login  login login    login    login 403      200    200     200
POST admin:payments_outgoingswitch_resume         login  login login    login    login 403      done   done    done
GET  admin:refunds_lanelimits_pause               login  login login    login    login 403      403    403     200
POST admin:refunds_lanelimits_pause               login  login login    login    login 403      403    403     done
GET  admin:refunds_lanelimits_resume              login  login login    login    login 403      403    403     200
POST admin:refunds_lanelimits_resume              login  login login    login    login 403      403    403     done
GET  admin:refunds_lanelimits_set_limits          login  login login    login    login 403      403    403     200
POST admin:refunds_lanelimits_set_limits          login  login login    login    login 403      403    403     done
GET  admin:workcalendar_calendarplan_enter_year   login  login login    login    login 403      403    403     200
POST admin:workcalendar_calendarplan_enter_year   login  login login    login    login 403      403    403     done
GET  admin:workcalendar_calendarplan_correct_day  login  login login    login    login 403      403    403     200
POST admin:workcalendar_calendarplan_correct_day  login  login login    login    login 403      403    403     done
GET  admin:refunds_auditsample_judge              login  login login    login    login 200      200    403     403
POST admin:refunds_auditsample_judge              login  login login    login    login done     done   403     403
GET  admin:orders_order_cancel                    login  login login    login    login 403      403    403     200
POST admin:orders_order_cancel                    login  login login    login    login 403      403    403     done
GET  admin:orders_order_compensate                login  login login    login    login 403      200    200     403
POST admin:orders_order_compensate                login  login login    login    login 403      done   done    403
GET  admin:orders_compensation_confirm            login  login login    login    login 403      200    200     403
POST admin:orders_compensation_confirm            login  login login    login    login 403      done   done    403
GET  admin:orders_compensation_refuse             login  login login    login    login 403      200    200     403
POST admin:orders_compensation_refuse             login  login login    login    login 403      done   done    403
GET  admin:refunds_payoutbatch_stuck              login  login login    login    login 403      403    200     200
GET  admin:ledger_account_books                   login  login login    login    login 403      403    200     200
POST admin:ledger_account_books                   login  login login    login    login 403      403    200     200
GET  month_end                                    login  login login    login    login 403      403    200     200
POST month_end                                    login  login login    login    login 403      403    200     200
GET  admin:refunds_payoutbatch_progress           login  login login    login    login 403      403    200     200
GET  admin:refunds_payoutbatch_propose            login  login login    login    login 403      403    200     403
POST admin:refunds_payoutbatch_propose            login  login login    login    login 403      403    done    403
GET  admin:refunds_payoutbatch_approve            login  login login    login    login 403      403    200     403
POST admin:refunds_payoutbatch_approve            login  login login    login    login 403      403    done    403
GET  admin:refunds_payoutbatch_stop               login  login login    login    login 403      403    200     200
POST admin:refunds_payoutbatch_stop               login  login login    login    login 403      403    done    done
GET  admin:refunds_payoutbatch_go_on              login  login login    login    login 403      403    200     403
POST admin:refunds_payoutbatch_go_on              login  login login    login    login 403      403    done    403
GET  admin:refunds_payoutbatch_retry_failed       login  login login    login    login 403      403    200     403
POST admin:refunds_payoutbatch_retry_failed       login  login login    login    login 403      403    done    403
GET  admin:refunds_payoutbatch_call_off           login  login login    login    login 403      403    200     403
POST admin:refunds_payoutbatch_call_off           login  login login    login    login 403      403    done    403
GET  admin:orders_bulkcancellation_progress       login  login login    login    login 200      200    200     200
GET  admin:orders_bulkcancellation_start          login  login login    login    login 403      403    403     200
POST admin:orders_bulkcancellation_start          login  login login    login    login 403      403    403     done
GET  admin:orders_bulkcancellation_abandon        login  login login    login    login 403      403    403     200
POST admin:orders_bulkcancellation_abandon        login  login login    login    login 403      403    403     done
GET  admin:shops_refundpolicy_terms               login  login login    login    login 403      403    403     go
POST admin:shops_refundpolicy_terms               login  login login    login    login 403      403    403     go
GET  admin:shops_refundpolicy_diff                login  login login    login    login 200      200    200     200
GET  admin:shops_refundpolicy_new_draft           login  login login    login    login 403      403    403     200
POST admin:shops_refundpolicy_new_draft           login  login login    login    login 403      403    403     done
GET  admin:shops_refundpolicy_simulate            login  login login    login    login 403      403    403     200
POST admin:shops_refundpolicy_simulate            login  login login    login    login 403      403    403     done
GET  admin:shops_refundpolicy_publish             login  login login    login    login 403      403    403     200
POST admin:shops_refundpolicy_publish             login  login login    login    login 403      403    403     done
GET  admin:shops_refundpolicy_discard             login  login login    login    login 403      403    403     200
POST admin:shops_refundpolicy_discard             login  login login    login    login 403      403    403     done
GET  admin:refunds_policysimulation_progress      login  login login    login    login 200      200    200     200
GET  admin:refunds_policysimulation_stop          login  login login    login    login 403      403    403     200
POST admin:refunds_policysimulation_stop          login  login login    login    login 403      403    403     done
GET  admin:reconciliation_statement_reconcile_day      login  login login    login    login 403      403    200     403
POST admin:reconciliation_statement_reconcile_day      login  login login    login    login 403      403    done    403
GET  admin:reconciliation_discrepancy_ask_again        login  login login    login    login 403      403    200     403
POST admin:reconciliation_discrepancy_ask_again        login  login login    login    login 403      403    done    403
GET  admin:reconciliation_discrepancy_download_again   login  login login    login    login 403      403    200     403
POST admin:reconciliation_discrepancy_download_again   login  login login    login    login 403      403    done    403
GET  admin:reconciliation_discrepancy_adopt            login  login login    login    login 403      403    200     403
POST admin:reconciliation_discrepancy_adopt            login  login login    login    login 403      403    done    403
GET  admin:reconciliation_discrepancy_propose_bearer   login  login login    login    login 403      403    200     403
POST admin:reconciliation_discrepancy_propose_bearer   login  login login    login    login 403      403    done    403
GET  admin:reconciliation_discrepancy_confirm_bearer   login  login login    login    login 403      403    200     403
POST admin:reconciliation_discrepancy_confirm_bearer   login  login login    login    login 403      403    done    403
GET  admin:reconciliation_discrepancy_explain          login  login login    login    login 403      403    200     403
POST admin:reconciliation_discrepancy_explain          login  login login    login    login 403      403    done    403
GET  admin:reconciliation_discrepancy_hand_over        login  login login    login    login 403      403    200     403
POST admin:reconciliation_discrepancy_hand_over        login  login login    login    login 403      403    done    403
GET  admin:reconciliation_statement_progress          login  login login    login    login 403      403    200     200
GET  admin:orders_topup_ask_now                   login  login login    login    login 403      403    403     200
POST admin:orders_topup_ask_now                   login  login login    login    login 403      403    403     done
GET  admin:orders_topup_decide_arrived            login  login login    login    login 403      403    403     200
POST admin:orders_topup_decide_arrived            login  login login    login    login 403      403    403     done
GET  admin:orders_topup_decide_failed             login  login login    login    login 403      403    403     200
POST admin:orders_topup_decide_failed             login  login login    login    login 403      403    403     done
GET  admin:notices_noticedelivery_send_again      login  login login    login    login 200      200    403     200
POST admin:notices_noticedelivery_send_again      login  login login    login    login done     done   403     done
GET  admin:orders_review_hide                     login  login login    login    login 200      200    403     200
POST admin:orders_review_hide                     login  login login    login    login done     done   403     done
GET  admin:orders_review_show                     login  login login    login    login 200      200    403     200
POST admin:orders_review_show                     login  login login    login    login done     done   403     done
GET  admin:support_ticket_claim                   login  login login    login    login 200      200    403     200
POST admin:support_ticket_claim                   login  login login    login    login done     done   403     done
GET  admin:support_ticket_answer                  login  login login    login    login 200      200    403     200
POST admin:support_ticket_answer                  login  login login    login    login done     done   403     done
GET  admin:support_ticket_hand_over               login  login login    login    login 200      200    403     200
POST admin:support_ticket_hand_over               login  login login    login    login done     done   403     done
GET  admin:support_ticket_close_with_words        login  login login    login    login 200      200    403     200
POST admin:support_ticket_close_with_words        login  login login    login    login done     done   403     done
GET  admin:support_shopcomplaint_investigate      login  login login    login    login 403      200    403     200
POST admin:support_shopcomplaint_investigate      login  login login    login    login 403      done   403     done
GET  admin:support_shopcomplaint_extend_review    login  login login    login    login 403      200    403     200
POST admin:support_shopcomplaint_extend_review    login  login login    login    login 403      done   403     done
GET  admin:support_shopcomplaint_uphold           login  login login    login    login 403      200    403     200
POST admin:support_shopcomplaint_uphold           login  login login    login    login 403      done   403     done
GET  admin:support_shopcomplaint_dismiss          login  login login    login    login 403      200    403     200
POST admin:support_shopcomplaint_dismiss          login  login login    login    login 403      done   403     done
GET  admin:support_talk_answer_as_support         login  login login    login    login 200      200    403     200
POST admin:support_talk_answer_as_support         login  login login    login    login done     done   403     done
GET  admin:support_talk_log_call                  login  login login    login    login 200      200    403     200
POST admin:support_talk_log_call                  login  login login    login    login done     done   403     done
GET  admin:shops_shop_suspend                     login  login login    login    login 403      403    403     200
POST admin:shops_shop_suspend                     login  login login    login    login 403      403    403     done
GET  admin:shops_shop_reinstate                   login  login login    login    login 403      403    403     200
POST admin:shops_shop_reinstate                   login  login login    login    login 403      403    403     done
GET  admin:shops_shop_dismiss                     login  login login    login    login 403      403    403     200
POST admin:shops_shop_dismiss                     login  login login    login    login 403      403    403     done
GET  admin:shops_shop_record_deposit              login  login login    login    login 403      403    200     403
POST admin:shops_shop_record_deposit              login  login login    login    login 403      403    done    403
GET  admin:shops_shop_ask_deposit_back            login  login login    login    login 403      403    200     403
POST admin:shops_shop_ask_deposit_back            login  login login    login    login 403      403    done    403
GET  admin:shops_depositreturn_pay_back           login  login login    login    login 403      403    200     403
POST admin:shops_depositreturn_pay_back           login  login login    login    login 403      403    done    403
GET  admin:shops_depositreturn_drop               login  login login    login    login 403      403    200     403
POST admin:shops_depositreturn_drop               login  login login    login    login 403      403    done    403
GET  admin:shops_shopapplication_approve          login  login login    login    login 403      403    403     200
POST admin:shops_shopapplication_approve          login  login login    login    login 403      403    403     done
GET  admin:shops_shopapplication_reject           login  login login    login    login 403      403    403     200
POST admin:shops_shopapplication_reject           login  login login    login    login 403      403    403     done
"""

# The desk's tables. `-`: not there; `see`: list, page and history, to read; `edit`: changes rows; `keep`: adds too;
# `add`: adds rows that never change.
# Nobody deletes anything.
TABLES = """
#                               reviewer senior finance operator
refunds.refund                  see      see    see     see
refunds.refundevent             see      see    see     see
refunds.cannedreply             see      see    -       add
refunds.auditsample             see      see    see     see
refunds.payoutbatch             -        -      add     see
refunds.payoutline              -        -      see     see
refunds.lanelimits              see      see    see     see
workcalendar.calendarplan       see      see    see     see
refunds.disbursement            -        -      see     see
refunds.arrivalfigures          -        -      see     see
payments.refundattempt          -        -      see     see
payments.payment                -        -      see     see
payments.channelnotification    -        -      see     see
payments.refusednotification    -        -      see     see
payments.channelaccount         -        -      see     see
payments.outgoingswitch         see      see    see     see
payments.transfer               -        -      see     see
reconciliation.statement        -        -      see     see
reconciliation.discrepancy      -        -      see     see
orders.order                    see      see    see     see
orders.topup                    see      see    see     see
orders.cancellation             see      see    see     see
orders.compensation             see      see    see     see
orders.bulkcancellation         see      see    see     add
orders.announcement             see      see    -       keep
orders.review                   see      see    -       see
support.ticket                  see      see    -       see
support.shopcomplaint           see      see    -       see
support.talk                    see      see    see     see
notices.notice                  see      see    -       see
notices.noticedelivery          see      see    -       see
shops.shop                      see      see    see     edit
shops.shopapplication           -        -      -       see
shops.shopevent                 see      see    see     see
shops.depositentry              -        -      see     see
shops.depositreturn             -        -      see     see
shops.guaranteeterms            see      see    see     add
shops.category                  see      see    see     keep
shops.coupon                    see      see    see     see
shops.supplier                  see      see    see     keep
shops.supplieranswer            see      see    see     see
shops.product                   see      see    see     keep
shops.refundpolicy              see      see    see     see
refunds.policysimulation        see      see    see     see
shops.cardcode                  see      see    -       see
shops.codeevent                 see      see    -       see
shops.stockimport               see      see    -       see
integrations.shopkey            -        -      -       see
integrations.webhookendpoint    -        -      -       see
integrations.webhookdelivery    -        -      -       see
ledger.account                  -        -      see     see
ledger.posting                  -        -      see     see
ledger.entry                    -        -      see     see
accounts.user                   -        -      -       edit
admin.logentry                  -        -      -       see
records.packdownload            -        -      -       see
"""

# What each of a table's pages answers, by GET and by an empty POST, to each right.
TABLE_PAGES = """
#               -      see    edit   keep   add
GET  changelist 403    200    200    200    200
GET  add        403    403    403    200    200
GET  change     403    200    200    200    200
GET  history    403    200    200    200    200
GET  delete     403    403    403    403    403
GET  short      go     go     go     go     go
POST changelist 403    done   done   done   done
POST add        403    403    403    200    200
POST change     403    403    200    200    403
POST delete     403    403    403    403    403
"""
