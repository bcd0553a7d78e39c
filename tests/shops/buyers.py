"""Buyers in a process of their own: `python -m tests.shops.buyers PRODUCT FIRST COUNT`, all at once on the word "go".

Says "ready" once forty of them stand at the counter, the others behind them; afterwards one line of JSON for each
buyer: the order's number, or why there is none.
"""

from __future__ import annotations

import json
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import django

AT_THE_COUNTER = 40  # a connection each; the database takes 200 in all


def main(product_id: int, first: int, count: int) -> None:
    from django.db import connection, connections

    import clock
    from accounts.models import User
    from orders import placing
    from shops.models import Product

    buyers = list(User.objects.filter(username__startswith="crowd").order_by("pk")[first : first + count])
    product = Product.objects.select_related("shop", "policy").get(pk=product_id)
    counter = threading.Barrier(AT_THE_COUNTER + 1)

    def buy(place: int, buyer: User) -> dict[str, str]:
        try:
            connection.ensure_connection()
            if place < AT_THE_COUNTER:
                counter.wait(timeout=120)
            order = placing.place(product, placing.Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
            return {"order_no": order.order_no}
        except placing.CannotPlace as refusal:
            return {"refused": refusal.code}
        except Exception as error:
            return {"failed": repr(error)}
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_THE_COUNTER) as pool:
        waiting = [pool.submit(buy, place, buyer) for place, buyer in enumerate(buyers)]
        while counter.n_waiting < AT_THE_COUNTER and not any(one.done() for one in waiting):
            threading.Event().wait(0.01)
        print("ready", flush=True)
        sys.stdin.readline()
        counter.wait(timeout=120)
        for one in waiting:
            print(json.dumps(one.result()), flush=True)


if __name__ == "__main__":
    django.setup()
    main(*(int(word) for word in sys.argv[1:]))
