"""比什么: each comparison is one statement that writes what differs into ``found``. Adding a kind is adding one here.

All compare sets; none reads rows into this process. Their lines are found by number, on whatever day they stand; ours
are judged on the last day on which their line may stand (a clock's skew counts), and only once that day's neighbor is
there: so what happened around midnight is no difference.
"""

# ruff: noqa: S608 - the parts of these statements are all ours; what is given to them is bound

from __future__ import annotations

from payments.gateways.base import BillKind

FOUND_TABLE = """
DROP TABLE IF EXISTS found;
CREATE TEMPORARY TABLE found (
    kind text, key text, line_id bigint, payment_no text DEFAULT '', request_no text DEFAULT '',
    channel_no text DEFAULT '', ours_fen bigint, theirs_fen bigint, ours_state text DEFAULT '',
    theirs_state text DEFAULT '', happened_at timestamptz, detail text DEFAULT '', is_waiting boolean DEFAULT false
) ON COMMIT DROP
"""
_COLUMNS = (
    "kind, key, line_id, payment_no, request_no, channel_no, ours_fen, theirs_fen, ours_state, theirs_state,"
    " happened_at, detail, is_waiting"
)


def of(kind: BillKind) -> tuple[str, ...]:
    own = TRADES if kind is BillKind.TRADES else FUNDS
    return tuple(f"INSERT INTO found ({_COLUMNS}) {query}" for query in (FLAWS, *own))


#: What no line of theirs needs to explain: it stands in one that could not be read. Numbers of these days' such lines.
UNREAD_TABLE = """
DROP TABLE IF EXISTS unread;
CREATE TEMPORARY TABLE unread ON COMMIT DROP AS
SELECT DISTINCT s.kind, part.number
  FROM reconciliation_statementline l
  JOIN reconciliation_statement s ON s.id = l.statement_id
 CROSS JOIN LATERAL unnest(string_to_array(l.numbers, ' ')) AS token
 CROSS JOIN LATERAL (VALUES (token), (CASE WHEN token LIKE 'P%%' THEN left(token, 17) END)) AS part (number)
 WHERE l.kind = 'garbled' AND s.account_id = %(account)s AND part.number IS NOT NULL
   AND s.day BETWEEN %(day)s::date - 1 AND %(day)s::date + 1
"""
_UNREAD = "EXISTS (SELECT 1 FROM unread u WHERE u.kind = '{kind}' AND u.number = {number})"

FLAWS = """
SELECT l.kind, 'line:' || l.line_number, l.id, coalesce(p.payment_no, ''), '', '', NULL::bigint, NULL::bigint, '', '',
       NULL::timestamptz, left('第 ' || l.line_number || ' 行：' || l.detail, 200), false
  FROM reconciliation_statementline l
  LEFT JOIN LATERAL (
    SELECT payment_no FROM payments_payment
     WHERE account_id = %(account)s
       AND payment_no = ANY (SELECT left(n, 17) FROM unnest(string_to_array(l.numbers, ' ')) AS n)
     LIMIT 1
  ) AS p ON l.kind = 'garbled'
 WHERE l.statement_id = %(statement)s AND l.kind IN ('garbled', 'totals')
"""

# --- trades against our books -----------------------------------------------------------------------------------------

#: A bill that says there was no business, on a day on which we had some: one difference, not one for each.
MISSING = """
SELECT 'late', 'missing', NULL::bigint, '', '', '', sum(amount_fen), 0, '', '', min(moment),
       '渠道说当日无业务，我方有 ' || count(*) || ' 笔', false
  FROM (
    SELECT amount_fen, paid_at AS moment FROM payments_payment
     WHERE account_id = %(account)s AND status = 'paid' AND paid_at >= %(begins)s + %(skew)s
       AND paid_at < %(ends)s - %(skew)s
    UNION ALL
    SELECT a.amount_fen, a.accepted_at FROM payments_refundattempt a JOIN payments_payment p ON p.id = a.payment_id
     WHERE p.account_id = %(account)s AND a.accepted_at >= %(begins)s + %(skew)s AND a.accepted_at < %(ends)s - %(skew)s
       AND a.first_sent_at >= %(begins)s + %(skew)s AND (a.status <> 'closed' OR a.channel_refund_id <> '')
  ) AS ours
 WHERE %(is_empty)s HAVING count(*) > 0
"""

PAYMENTS_ONLY_OURS = f"""
SELECT 'only_ours', p.payment_no, NULL::bigint, p.payment_no, '', p.channel_transaction_id, p.amount_fen, NULL::bigint,
       p.status, '', p.paid_at, '', p.paid_at - %(skew)s < %(begins)s AND NOT %(before)s
  FROM payments_payment p
 WHERE NOT %(is_empty)s AND p.account_id = %(account)s AND p.status = 'paid'
   AND p.paid_at >= %(begins)s - %(skew)s AND p.paid_at < %(ends)s - %(skew)s
   AND NOT EXISTS (
     SELECT 1 FROM reconciliation_statementline l JOIN reconciliation_statement s ON s.id = l.statement_id
      WHERE l.payment_no = p.payment_no AND l.kind = 'payment' AND s.kind = 'trades' AND s.account_id = %(account)s)
   AND NOT {_UNREAD.format(kind="trades", number="p.payment_no")}
"""

REFUNDS_ONLY_OURS = f"""
SELECT 'only_ours', a.request_no, NULL::bigint, p.payment_no, a.request_no, a.channel_refund_id, -a.amount_fen,
       NULL::bigint, a.status, '', a.accepted_at, '', a.first_sent_at - %(skew)s < %(begins)s AND NOT %(before)s
  FROM payments_refundattempt a JOIN payments_payment p ON p.id = a.payment_id
 WHERE NOT %(is_empty)s AND p.account_id = %(account)s
   AND a.accepted_at >= %(begins)s - %(skew)s AND a.accepted_at < %(ends)s - %(skew)s
   AND (a.status IN ('accepted', 'succeeded', 'returned', 'back_with_merchant')
        OR a.status = 'closed' AND a.channel_refund_id <> '')
   AND NOT EXISTS (
     SELECT 1 FROM reconciliation_statementline l JOIN reconciliation_statement s ON s.id = l.statement_id
      WHERE l.payment_no = p.payment_no AND l.kind = 'refund' AND l.request_no = a.request_no AND s.kind = 'trades'
        AND s.account_id = %(account)s)
   AND NOT {_UNREAD.format(kind="trades", number="p.payment_no")}
"""

_PAYMENT_LINES = """
  FROM reconciliation_statementline l
  LEFT JOIN payments_payment p ON p.payment_no = l.payment_no AND p.account_id = %(account)s
 WHERE l.statement_id = %(statement)s AND l.kind = 'payment'
"""
_PAYMENT = "l.payment_no, l.id, l.payment_no, '', l.channel_transaction_id, p.amount_fen, l.amount_fen"

UNKNOWN_PAYMENTS = f"""
SELECT 'unknown_payment', {_PAYMENT}, '', l.state, l.at, '', false {_PAYMENT_LINES} AND p.id IS NULL
"""
PAYMENTS_STAND_DIFFERENTLY = f"""
SELECT 'state', {_PAYMENT}, p.status, l.state, l.at,
       CASE WHEN p.status = 'paid' THEN '渠道流水号不同' ELSE '渠道已收款' END, false
{_PAYMENT_LINES} AND (p.status <> 'paid' OR p.channel_transaction_id <> l.channel_transaction_id)
"""
PAYMENTS_OF_ANOTHER_AMOUNT = f"""
SELECT 'amount', {_PAYMENT}, p.status, l.state, l.at, '', false
{_PAYMENT_LINES} AND p.status = 'paid' AND p.amount_fen <> l.amount_fen
"""

_REFUND_LINES = """
  FROM reconciliation_statementline l
  LEFT JOIN (payments_refundattempt a JOIN payments_payment p ON p.id = a.payment_id AND p.account_id = %(account)s)
    ON a.request_no = l.request_no AND l.request_no <> '' AND a.status <> 'external'
 WHERE l.statement_id = %(statement)s AND l.kind = 'refund'
"""
_REFUND = (
    "coalesce(nullif(l.request_no, ''), l.channel_refund_id), l.id, l.payment_no, l.request_no, l.channel_refund_id,"
    " -a.amount_fen, l.amount_fen"
)

#: A refund of the console may have no number: then its moment tells it from others of its payment.
_THEIR_REFUND = """
coalesce(nullif(l.channel_refund_id, ''), nullif(l.request_no, ''),
         l.move_no || '@' || to_char(l.at AT TIME ZONE 'Asia/Shanghai', 'YYYYMMDDHH24MISS'))
"""
REFUNDS_ONLY_THEIRS = f"""
SELECT 'only_theirs', {_THEIR_REFUND}, l.id, l.payment_no, l.request_no, {_THEIR_REFUND}, NULL::bigint,
       l.amount_fen, coalesce(x.status, ''), l.state, l.at,
       CASE WHEN o.id IS NULL THEN '收款也不是我方的' ELSE '' END, false
  FROM reconciliation_statementline l
  LEFT JOIN (payments_refundattempt a JOIN payments_payment p ON p.id = a.payment_id AND p.account_id = %(account)s)
    ON a.request_no = l.request_no AND l.request_no <> '' AND a.status <> 'external'
  LEFT JOIN payments_payment o ON o.payment_no = l.payment_no AND o.account_id = %(account)s
  LEFT JOIN payments_refundattempt x
    ON x.payment_id = o.id AND x.status = 'external' AND x.channel_refund_id = {_THEIR_REFUND}
 WHERE l.statement_id = %(statement)s AND l.kind = 'refund' AND a.id IS NULL AND l.refund_state <> 'closed'
"""
REFUNDS_OF_ANOTHER_AMOUNT = f"""
SELECT 'amount', {_REFUND}, a.status, l.state, l.at,
       CASE WHEN p.payment_no <> l.payment_no THEN '收款单号不同' ELSE '' END, false
{_REFUND_LINES} AND a.id IS NOT NULL AND (a.amount_fen <> -l.amount_fen OR p.payment_no <> l.payment_no)
"""
_CLOSED_PAID = """
a.status = 'closed' AND (l.refund_state = 'succeeded'
                         OR l.refund_state IN ('accepted', 'returned') AND a.channel_refund_id = '')
"""
REFUNDS_CLOSED_AND_PAID = f"""
SELECT 'closed_paid', {_REFUND}, a.status, l.state, l.at, '', false {_REFUND_LINES} AND {_CLOSED_PAID}
"""
#: What ours may be by now, after what the bill says it was when it was cut.
REFUNDS_STAND_DIFFERENTLY = f"""
SELECT 'state', {_REFUND}, a.status, l.state, l.at, '', false {_REFUND_LINES} AND a.id IS NOT NULL
   AND NOT ({_CLOSED_PAID})
   AND NOT CASE l.refund_state
        WHEN 'succeeded' THEN a.status IN ('succeeded', 'returned', 'back_with_merchant')
        WHEN 'accepted' THEN a.status IN ('accepted', 'succeeded', 'returned', 'back_with_merchant', 'closed')
        WHEN 'returned' THEN a.status IN ('returned', 'succeeded', 'unknown', 'back_with_merchant', 'closed')
        WHEN 'closed' THEN a.status IN ('closed', 'back_with_merchant')
        ELSE false END
"""

DUPLICATES = """
SELECT 'duplicate', coalesce(nullif(l.entry_no, ''), nullif(l.request_no, ''), l.payment_no) || ':' || l.line_number,
       l.id, l.payment_no, l.request_no, coalesce(nullif(l.channel_refund_id, ''), l.channel_transaction_id),
       NULL::bigint, l.amount_fen, '', l.state, l.at, '第 ' || l.line_number || ' 行', false
  FROM reconciliation_statementline l
 WHERE l.statement_id = %(statement)s AND l.kind NOT IN ('garbled', 'totals')
   AND EXISTS (
     SELECT 1 FROM reconciliation_statementline d JOIN reconciliation_statement s ON s.id = d.statement_id
      WHERE s.account_id = %(account)s AND d.move_no = l.move_no AND d.payment_no = l.payment_no AND d.kind = l.kind
        AND s.kind = (SELECT kind FROM reconciliation_statement WHERE id = %(statement)s)
        AND d.request_no = l.request_no AND d.channel_refund_id = l.channel_refund_id AND d.entry_no = l.entry_no
        AND (l.entry_no <> '' OR l.kind = 'payment' OR l.request_no <> ''
             OR (d.at, d.amount_fen) = (l.at, l.amount_fen))
        AND (s.day, d.id) < (%(day)s::date, l.id))
"""

TRADES = (
    MISSING, PAYMENTS_ONLY_OURS, REFUNDS_ONLY_OURS, UNKNOWN_PAYMENTS, PAYMENTS_STAND_DIFFERENTLY,
    PAYMENTS_OF_ANOTHER_AMOUNT, REFUNDS_ONLY_THEIRS, REFUNDS_OF_ANOTHER_AMOUNT, REFUNDS_CLOSED_AND_PAID,
    REFUNDS_STAND_DIFFERENTLY, DUPLICATES,
)  # fmt: skip

# --- movements of money against trades --------------------------------------------------------------------------------

#: A refund that the day's trades call failed: what left for it comes back, on that day or the next.
_FAILED = "l.move_no IN (SELECT move_no FROM failed)"
#: What comes back of a refund, with the fee that is taken again, is no part of any trade.
_COMES_BACK = """
l.kind = 'refund' AND l.amount_fen > 0 OR l.kind = 'fee' AND l.amount_fen < 0 AND EXISTS (
  SELECT 1 FROM reconciliation_statementline b
   WHERE b.statement_id = l.statement_id AND b.move_no = l.move_no AND b.kind = 'refund' AND b.amount_fen > 0
     AND b.at <= l.at + %(skew)s)
"""
#: Net of its fee a trade must have moved the balance: whether a channel books the fee by itself or not.
FUNDS_DIFFER = f"""
WITH failed AS (
  SELECT l.move_no
    FROM reconciliation_statementline l JOIN reconciliation_statement s ON s.id = l.statement_id
   WHERE s.account_id = %(account)s AND s.kind = 'trades' AND s.day = %(day)s AND l.kind = 'refund'
     AND l.refund_state = 'closed' AND l.move_no <> ''
), lines AS (
  SELECT s.kind AS bill, l.kind, l.move_no, l.payment_no, l.amount_fen, l.fee_fen, l.at,
         row_number() OVER (PARTITION BY s.kind, l.kind, l.move_no, l.payment_no, l.request_no, l.channel_refund_id,
                            l.entry_no ORDER BY s.day, l.id) AS nth
    FROM reconciliation_statementline l JOIN reconciliation_statement s ON s.id = l.statement_id
   WHERE s.account_id = %(account)s AND s.day BETWEEN %(day)s::date - 1 AND %(day)s::date + 1
     AND (l.at >= %(begins)s - %(skew)s AND l.at < %(ends)s + %(skew)s OR {_FAILED}) AND l.move_no <> ''
     AND l.kind IN ('payment', 'refund', 'fee')
     AND NOT (s.kind = 'trades' AND l.refund_state = 'closed')
     AND NOT (s.kind = 'funds' AND NOT {_FAILED} AND ({_COMES_BACK}))
), sums AS (
  SELECT move_no, max(payment_no) AS payment_no, min(at) AS first_at, max(at) AS last_at,
         sum(amount_fen - fee_fen) FILTER (WHERE bill = 'trades') AS trade_net,
         sum(amount_fen) FILTER (WHERE bill = 'trades') AS trade_gross,
         sum(amount_fen) FILTER (WHERE bill = 'funds') AS fund_net,
         sum(amount_fen) FILTER (WHERE bill = 'funds' AND kind <> 'fee') AS fund_gross
    FROM lines WHERE nth = 1 GROUP BY move_no
)
SELECT CASE WHEN trade_gross = fund_gross THEN 'fee' ELSE 'funds' END, move_no, NULL::bigint, payment_no, '', move_no,
       trade_net, fund_net, '', '', first_at,
       CASE WHEN trade_net IS NULL THEN '交易账单没有' WHEN fund_net IS NULL THEN '资金账单没有' ELSE '净额不同' END,
       first_at < %(begins)s + %(skew)s AND NOT %(both_before)s
       OR (last_at >= %(ends)s - %(skew)s OR move_no IN (SELECT move_no FROM failed)) AND NOT %(both_after)s
  FROM sums
 WHERE NOT %(is_empty)s AND last_at >= %(begins)s AND first_at < %(ends)s
   AND trade_net IS DISTINCT FROM fund_net AND NOT (fund_net = 0 AND move_no IN (SELECT move_no FROM failed))
   AND NOT {_UNREAD.format(kind="trades", number="sums.move_no")}
   AND NOT {_UNREAD.format(kind="funds", number="sums.move_no")}
   AND NOT (sums.payment_no <> '' AND {_UNREAD.format(kind="trades", number="sums.payment_no")})
   AND NOT EXISTS (  -- the same difference, told where the trades were compared
     SELECT 1 FROM reconciliation_discrepancy d JOIN reconciliation_statement s ON s.id = d.statement_id
      WHERE s.account_id = %(account)s AND s.kind = 'trades' AND s.day BETWEEN %(day)s::date - 1 AND %(day)s::date + 1
        AND d.kind IN ('only_ours', 'amount') AND d.status <> 'closed'
        AND (d.channel_no = sums.move_no OR d.payment_no = sums.payment_no AND d.payment_no <> ''))
   AND NOT EXISTS (
     SELECT 1 FROM payments_refundattempt a JOIN payments_payment p ON p.id = a.payment_id
      WHERE trade_net IS NULL AND p.account_id = %(account)s AND a.channel_refund_id = sums.move_no
        AND {_UNREAD.format(kind="trades", number="p.payment_no")})
"""

MISSING_FUNDS = """
SELECT 'late', 'missing', NULL::bigint, '', '', '', sum(l.amount_fen), 0, '', '', min(l.at),
       '渠道说当日无资金变动，交易账单有 ' || count(*) || ' 笔', false
  FROM reconciliation_statementline l JOIN reconciliation_statement s ON s.id = l.statement_id
 WHERE %(is_empty)s AND s.account_id = %(account)s AND s.kind = 'trades' AND s.day = %(day)s
   AND l.kind IN ('payment', 'refund') HAVING count(*) > 0
"""

#: Money that came back from a refund says that the buyer does not have it.
CAME_BACK = """
SELECT 'state', coalesce(nullif(l.entry_no, ''), l.move_no), l.id, coalesce(p.payment_no, ''),
       coalesce(a.request_no, ''), l.move_no, NULL::bigint, l.amount_fen, coalesce(a.status, ''), l.state, l.at,
       '退款的钱回到了商户', false
  FROM reconciliation_statementline l
  LEFT JOIN (payments_refundattempt a JOIN payments_payment p ON p.id = a.payment_id AND p.account_id = %(account)s)
    ON a.channel_refund_id = l.move_no
 WHERE l.statement_id = %(statement)s AND l.kind = 'refund' AND l.amount_fen > 0
   AND coalesce(a.status, '') NOT IN ('closed', 'back_with_merchant')
"""

FUNDS = (MISSING_FUNDS, FUNDS_DIFFER, CAME_BACK, DUPLICATES)

# --- keeping what was found -------------------------------------------------------------------------------------------

_FIRST = "SELECT DISTINCT ON (kind, key) * FROM found WHERE NOT is_waiting ORDER BY kind, key, line_id"

ADD = f"""
WITH added AS (
  INSERT INTO reconciliation_discrepancy (
    statement_id, kind, key, status, payment_no, request_no, channel_no, ours_fen, theirs_fen, ours_state, theirs_state,
    happened_at, detail, is_urgent, found_at, due_at, reason, borne_by, next_due_at, tries)
  SELECT %(statement)s, kind, left(key, 150), 'open', payment_no, request_no, channel_no, ours_fen, theirs_fen,
         ours_state, theirs_state, happened_at, left(detail, 200), kind = ANY(%(urgent)s), %(at)s,
         CASE WHEN kind = ANY(%(urgent)s) THEN %(urgent_due_at)s ELSE %(due_at)s END::timestamptz, '', '',
         CASE WHEN kind = 'closed_paid' THEN %(at)s WHEN kind = ANY(%(urgent)s) THEN %(urgent_due_at)s
              ELSE %(due_at)s END::timestamptz, 0
    FROM ({_FIRST}) AS f
  ON CONFLICT (statement_id, kind, key) DO NOTHING RETURNING id
)
INSERT INTO reconciliation_discrepancyevent (discrepancy_id, at, what, note) SELECT id, %(at)s, 'found', '' FROM added
"""
OPEN_AGAIN = f"""
WITH opened AS (
  UPDATE reconciliation_discrepancy d
     SET status = 'open', resolved_at = NULL, reason = '', due_at = %(due_at)s, next_due_at = %(due_at)s
    FROM ({_FIRST}) AS f
   WHERE d.statement_id = %(statement)s AND d.status = 'closed' AND (d.kind, d.key) = (f.kind, left(f.key, 150))
  RETURNING d.id
)
INSERT INTO reconciliation_discrepancyevent (discrepancy_id, at, what, note)
SELECT id, %(at)s, 'found_again', '' FROM opened
"""
CLOSE = """
WITH gone AS (
  UPDATE reconciliation_discrepancy d
     SET status = 'closed', resolved_at = %(at)s, next_due_at = NULL, leased_until = NULL, borne_by = '',
         proposed_by_id = NULL, reason = '再次对账时已一致'
   WHERE d.statement_id = %(statement)s AND d.status = 'open' AND d.kind <> ALL(%(never_by_itself)s)
     AND NOT EXISTS (SELECT 1 FROM found f WHERE (f.kind, left(f.key, 150)) = (d.kind, d.key) AND NOT f.is_waiting)
  RETURNING d.id
)
INSERT INTO reconciliation_discrepancyevent (discrepancy_id, at, what, note) SELECT id, %(at)s, 'closed', '' FROM gone
"""
KEEP = (ADD, OPEN_AGAIN, CLOSE)

COUNTS = """
SELECT count(*) FILTER (WHERE l.kind NOT IN ('garbled', 'totals') AND f.line_id IS NULL) AS matched,
       coalesce(sum(l.amount_fen) FILTER (WHERE l.amount_fen > 0), 0) AS theirs_in_fen,
       coalesce(-sum(l.amount_fen) FILTER (WHERE l.amount_fen < 0), 0) AS theirs_out_fen,
       coalesce(sum(CASE WHEN l.kind = 'fee' THEN -l.amount_fen ELSE l.fee_fen END), 0) AS fee_fen,
       (SELECT coalesce(sum(amount_fen), 0) FROM payments_payment
         WHERE account_id = %(account)s AND status = 'paid'
           AND paid_at >= %(begins)s AND paid_at < %(ends)s) AS ours_in_fen,
       (SELECT coalesce(sum(a.amount_fen), 0)
          FROM payments_refundattempt a JOIN payments_payment p ON p.id = a.payment_id
         WHERE p.account_id = %(account)s AND a.accepted_at >= %(begins)s AND a.accepted_at < %(ends)s
           AND (a.status <> 'closed' OR a.channel_refund_id <> '')) AS ours_out_fen,
       (SELECT count(*) FROM found WHERE is_waiting) AS waiting
  FROM reconciliation_statementline l
  LEFT JOIN (SELECT DISTINCT line_id FROM found) AS f ON f.line_id = l.id
 WHERE l.statement_id = %(statement)s
"""
